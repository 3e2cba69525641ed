"""Rows of prompts generated together, each with its own limit, temperature and luck; log-probabilities on the
way; what all prompts begin with is computed once. Knows ids, no text.

The layout is that of left padding, everywhere: where the first `shared` columns come from the store of the
prefix, a shorter row's part of it stands further to the right, and the row computes the last tokens of the
prefix again. So nothing is padded in the middle, where sliding windows would count it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from saesteer.model import LanguageModel, Tokens
from saesteer.model.sampling import Sampling, choose, draws

_ATTENTION: Final = {"full_attention", "sliding_attention"}
_WORTH: Final = 8  # tokens more in common than are stored, before they are computed apart


@dataclass(frozen=True)
class Prompt:
    """One row to generate."""

    ids: tuple[int, ...]
    max_new: int
    temperature: float = 0.0
    seed: int = 0
    top: int = 0


@dataclass
class Made:
    """What came of it, without the end token."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top: list[list[tuple[int, float]]] = field(default_factory=list)
    ended: Literal["stop", "length", "broken", "going"] = "going"
    """Broken: the model's logits were no numbers."""
    computed: int = 0
    """Tokens that were generated, the end token included."""


@dataclass(frozen=True)
class _Stored:
    """Keys and values of the tokens that prompts begin with, layer by layer, [1, heads, tokens, d]."""

    ids: tuple[int, ...] = ()
    layers: tuple[tuple[Tensor, Tensor], ...] = ()

    @classmethod
    def of(cls, ids: tuple[int, ...], cache: Any) -> _Stored:
        """What a cache of one row holds of these tokens."""
        return cls(ids, tuple((layer.keys, layer.values) for layer in cache.layers))


class Generator:
    """Generates with one model, one batch at a time."""

    def __init__(self, lm: LanguageModel, prefix_cache: bool = True) -> None:
        self._lm = lm
        self._stored = _Stored()
        self._stores = prefix_cache and storable(lm.hf)
        self._ends = torch.tensor(sorted(lm.end_tokens()), device=lm.device)

    @torch.no_grad()
    def run(self, prompts: Sequence[Prompt], abandoned: Callable[[], bool] = lambda: False) -> list[Made]:
        """What each prompt is followed by."""
        batch = _Batch(self._lm.device, prompts)
        logits, cache, mask = self._prefill([prompt.ids for prompt in prompts])
        while True:
            chosen = batch.take(logits, self._ends)
            if abandoned() or not bool(batch.going.any()):
                return batch.made
            if int(batch.going.sum()) <= len(batch.going) // 2:  # half of the rows have ended: leave them out
                kept = batch.going.nonzero().squeeze(-1)
                cache.batch_select_indices(kept)
                chosen, mask = chosen[kept], mask[kept]
                batch.keep(kept)
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            out = self._lm.hf(
                input_ids=chosen[:, None],
                attention_mask=mask,
                position_ids=mask.sum(-1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits, cache = out.logits[:, -1], out.past_key_values

    def _prefill(self, rows: list[tuple[int, ...]]) -> tuple[Tensor, Any, Int[Tensor, "rows seq"]]:
        """The logits after each prompt, the cache of all, and what of it is content."""
        tokens = Tokens.of(rows, "left").to(self._lm.device)
        shared = self._shared(rows)
        mask = tokens.mask.long()
        out = self._lm.hf(
            input_ids=tokens.ids[:, shared:],
            attention_mask=mask,
            position_ids=tokens.positions()[:, shared:],
            past_key_values=self._spread(shared, [tokens.ids.shape[1] - len(row) for row in rows]),
            use_cache=True,
            logits_to_keep=1,
        )
        if self._stores and len(rows) == 1:
            self._stored = _Stored.of(rows[0], out.past_key_values)
        return out.logits[:, -1], out.past_key_values, mask

    # What prompts begin with

    def _shared(self, rows: list[tuple[int, ...]]) -> int:
        """How many columns the store covers, after it has learnt what these rows begin with."""
        if not self._stores:
            return 0
        shortest, longest = min(map(len, rows)), max(map(len, rows))
        begin = rows[0][: min(common(rows[0], row) for row in rows)]
        begin = begin[: shortest - 1]  # a token is left to compute
        known = common(self._stored.ids, begin)
        if len(rows) > 1 and len(begin) >= max(known + _WORTH, longest - shortest):
            self._learn(begin, known)
            known = len(begin)
        return known if known >= longest - shortest else 0

    def _learn(self, ids: tuple[int, ...], known: int) -> None:
        """Compute the keys and values of `ids`, whose first `known` are stored."""
        cache = self._spread(known, [0]) or DynamicCache()
        device = self._lm.device
        self._lm.hf(
            input_ids=torch.tensor([ids[known:]], device=device),
            position_ids=torch.arange(known, len(ids), device=device)[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._stored = _Stored.of(ids, cache)

    def _spread(self, shared: int, shifts: list[int]) -> DynamicCache | None:
        """A cache of `shared` columns for each row, of which the first `shift` are padding."""
        if not shared:
            return DynamicCache() if self._stores else None
        cache = DynamicCache()  # of whole layers, also where the model attends to a window of them
        for number, pair in enumerate(self._stored.layers):
            keys, values = (_shifted(each, shared, shifts) for each in pair)
            cache.update(keys, values, number)
        return cache


def _shifted(
    stored: Float[Tensor, "1 heads seq d"], shared: int, shifts: list[int]
) -> Float[Tensor, "rows heads shared d"]:
    if not any(shifts):
        return stored[:, :, :shared].repeat(len(shifts), 1, 1, 1)
    rows = stored.new_zeros(len(shifts), stored.shape[1], shared, stored.shape[3])
    for row, shift in zip(rows, shifts, strict=True):
        row[:, shift:] = stored[0, :, : shared - shift]
    return rows


def storable(hf: Any) -> bool:
    """Whether keys and values by position are all that the model remembers."""
    config = hf.config.get_text_config()
    if not set(getattr(config, "layer_types", None) or ()) <= _ATTENTION or getattr(
        hf, "_is_stateful", False
    ):
        return False
    kinds = {type(layer) for layer in DynamicCache(config=config).layers}
    return kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two rows begin with together."""
    length = min(len(one), len(other))
    same = np.asarray(one[:length]) == np.asarray(other[:length])
    return length if bool(same.all()) else int(same.argmin())


class _Batch:
    """Who is still going, and what each has said."""

    def __init__(self, device: torch.device, prompts: Sequence[Prompt]) -> None:
        self.made = [Made() for _ in prompts]
        self.going: Bool[Tensor, " rows"] = torch.ones(len(prompts), dtype=torch.bool)
        self._prompts = list(prompts)
        self._rows = list(range(len(prompts)))  # the number of each row that is still computed
        self._step = 0
        longest = max(prompt.max_new for prompt in prompts)
        zero = np.zeros(1, dtype=np.int64)
        self._draws = torch.cat([draws(each.seed, zero, zero, longest) for each in prompts]).to(device)

    def keep(self, kept: Int[Tensor, " left"]) -> None:
        """Go on with these of the rows alone."""
        self._rows = [self._rows[each] for each in kept.tolist()]
        self._draws = self._draws[kept]
        self.going = self.going[kept]

    def take(self, logits: Float[Tensor, "rows vocab"], ends: Int[Tensor, " ends"]) -> Int[Tensor, " rows"]:
        """Choose each row's next token and write it down."""
        chosen = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        broken = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        for temperature, rows in self._by(lambda prompt: prompt.temperature).items():
            chosen[rows], broken[rows] = choose(
                logits[rows], self._draws[rows, self._step], Sampling(temperature)
            )
        told = self._told(logits, chosen)
        ended = (chosen[:, None] == ends).any(-1)
        facts = zip(chosen.tolist(), ended.tolist(), broken.tolist(), strict=True)
        for place, (token, at_end, breaks) in enumerate(facts):
            if self.going[place]:
                self._write(place, token, at_end, breaks, told.get(place))
        self._step += 1
        return chosen

    def _write(self, place: int, token: int, ends: bool, breaks: bool, told: _Told | None) -> None:
        made, prompt = self.made[self._rows[place]], self._prompts[self._rows[place]]
        made.computed += 1
        if breaks or ends:
            made.ended = "broken" if breaks else "stop"
        else:
            made.ids.append(token)
            if told is not None:
                made.logprobs.append(told[0])
                made.top.append(told[1])
            if len(made.ids) == prompt.max_new:
                made.ended = "length"
        self.going[place] = made.ended == "going"

    def _told(self, logits: Float[Tensor, "rows vocab"], chosen: Int[Tensor, " rows"]) -> dict[int, _Told]:
        """Of the rows that want them: the chosen token's log-probability and the likeliest tokens'."""
        found: dict[int, _Told] = {}
        for top, rows in self._by(lambda prompt: prompt.top).items():
            if not top:
                continue
            logprobs = logits[rows].float().log_softmax(-1)
            best = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1)
            own = logprobs.gather(-1, chosen[rows][:, None]).squeeze(-1)
            likeliest = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            for place, value, (ids, values) in zip(rows, own.tolist(), likeliest, strict=True):
                found[place] = (value, list(zip(ids, values, strict=True)))
        return found

    def _by(self, key: Callable[[Prompt], Any]) -> dict[Any, list[int]]:
        groups: dict[Any, list[int]] = {}
        for place, number in enumerate(self._rows):
            groups.setdefault(key(self._prompts[number]), []).append(place)
        return groups


_Told = tuple[float, list[tuple[int, float]]]
