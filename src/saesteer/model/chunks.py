"""One call of the base model, and the positions that follow from its inputs, as Hugging Face names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from saesteer.errors import InputError
from saesteer.model.memory import RowMemory
from saesteer.model.positions import Positions, SpecialTokens
from saesteer.model.rows import Sharing, current_rows, spread


@dataclass(frozen=True)
class Reader:
    """What the calls of one model have in common: its special tokens, and how rows are shared out."""

    special: SpecialTokens
    sharing: Sharing = field(default_factory=Sharing)


class Chunk:
    """A call in progress. Positions are derived when an edit asks, once for each number of requests."""

    def __init__(self, owner: object, module: nn.Module, inputs: Mapping[str, Any], reader: Reader) -> None:
        self.owner = owner
        self.running = [module]  # and then its base model, where that is given the same
        self._inputs = inputs
        self._reader = reader
        cache = inputs.get("past_key_values")
        self._start = past_length(cache)  # now: the call itself lengthens the cache
        self._memory = RowMemory(cache)
        self._derived: dict[int | None, Positions] = {}

    def given(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a call inside this one is given the very same, so that its positions are these."""
        mine = self._inputs
        return (
            mine.get("input_ids") is inputs.get("input_ids")
            and mine.get("inputs_embeds") is inputs.get("inputs_embeds")
            and mine.get("attention_mask") is inputs.get("attention_mask")
            and mine.get("past_key_values") is inputs.get("past_key_values")
            and past_length(inputs.get("past_key_values")) == self._start
        )

    def positions(self, requests: int | None) -> Positions:
        """Where the chunk stands, for a plan that serves `requests` requests."""
        if requests not in self._derived:
            self._derived[requests] = self._derive(requests)
        return self._derived[requests]

    def end(self, output: Any) -> None:
        """The call is over; None: it failed. The cache that it returns carries on what is remembered."""
        parts = output if isinstance(output, tuple) else (getattr(output, "past_key_values", None),)
        for each in parts:
            if hasattr(each, "reorder_cache"):
                self._memory.ride(each)

    def _derive(self, requests: int | None) -> Positions:
        known = current_rows()
        ids = token_ids(self._inputs)
        seen = content_mask(self._inputs.get("attention_mask"), self._start + ids.shape[1])
        prompt = None if known is None or known.prompt is None else spread(known.prompt, len(ids))
        served = self._reader.sharing.of(len(ids), requests, known, ids.device)
        return Positions(ids, served, seen, self._start, self._reader.special, prompt, self._memory)


def past_length(cache: Any) -> int:
    """How many tokens a cache has seen."""
    return 0 if cache is None else int(cache.get_seq_length())


def token_ids(inputs: Mapping[str, Any]) -> Int[Tensor, "batch chunk"]:
    """The chunk's ids; -1 throughout where the model is called with embeddings."""
    ids = inputs.get("input_ids")
    if isinstance(ids, Tensor):
        return ids
    embeddings = inputs.get("inputs_embeds")
    if isinstance(embeddings, Tensor):
        return torch.full(embeddings.shape[:2], -1, dtype=torch.long, device=embeddings.device)
    raise InputError("the model was called with neither input_ids nor inputs_embeds; steering needs one")


def content_mask(given: Any, end: int) -> Bool[Tensor, "batch end"] | None:
    """Content up to `end`, from a 2-D mask of tokens or a 4-D mask of attention; None: all is content."""
    if isinstance(given, Mapping):  # one prepared mask for each kind of layer
        given = given.get("full_attention", next(iter(given.values()), None))
    if not isinstance(given, Tensor):
        return None
    if given.ndim == 4:  # the last query sees all content: True, or nothing added
        seen = given[:, 0, -1, :]
        given = seen if seen.dtype == torch.bool else seen == 0
    mask = given.bool()
    missing = end - mask.shape[1]
    if missing < 0:
        return mask[:, :end]
    return torch.nn.functional.pad(mask, (missing, 0), value=True) if missing else mask
