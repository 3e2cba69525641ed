"""How far steering takes a model from itself on fixed texts: KL, added cross-entropy, size of the edit.

Many settings (spec and strength) are measured in shared batches; the plain model reads each text once. Knows
models and specs; no judge, no sampling.

Of a text t_1 ... t_n after its prompt, teacher forced, with p the plain and q the steered distribution of the
next token, means run over the n predictions (of all texts together, so long texts count more):

- `kl`: KL(q || p), the usual distance of a steered model to the one it came from. Along texts that q itself
  wrote its sum over a text is, in expectation, the KL of whole texts (chain rule).
- `reverse`: KL(p || q), which along texts that p wrote is what `nats` is an estimate of.
- `nats`: -ln q(t) + ln p(t), the cross-entropy that steering adds (SAE-TS, arXiv 2411.02193, scales by it).
- `moved`: mean length of the edit over mean length of the activation, where the edit acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.evaluation.forced import ForcedTexts, Settings, settings_of
from saesteer.model import Edit, LanguageModel, Positions
from saesteer.saes import SAE
from saesteer.statistics import Interval, bootstrap_weights
from saesteer.steering import SteeringSpec, compile_edits

_LOGITS_AT_ONCE: Final = 2**26  # values of logits held at a time, beside as many of the plain model
_NAMES: Final = ("kl", "reverse", "nats")


@dataclass(frozen=True)
class Divergence:
    """One setting on fixed texts; all in nats, summed per text."""

    kls: tuple[float, ...]
    reverses: tuple[float, ...]
    added: tuple[float, ...]
    tokens: tuple[int, ...]
    """Predictions of each text."""
    moved: float
    """0 where nothing was edited; of several edits of one setting the largest."""

    @property
    def kl(self) -> float:
        """Mean KL(steered || plain) per token."""
        return self._mean(self.kls)

    @property
    def reverse(self) -> float:
        """Mean KL(plain || steered) per token."""
        return self._mean(self.reverses)

    @property
    def nats(self) -> float:
        """Mean cross-entropy per token that steering adds; below 0 where the texts become likelier."""
        return self._mean(self.added)

    def interval(self, name: str = "kl", level: float = 0.95, seed: int = 0) -> Interval:
        """`kl`, `reverse` or `nats` with its bootstrap interval over texts."""
        sums = np.array(getattr(self, {"kl": "kls", "reverse": "reverses", "nats": "added"}[name]))
        if not np.isfinite(sums).all():
            return Interval(np.inf, np.inf, np.inf, level)
        counts = np.array(self.tokens, dtype=float)

        def means(weights: Float[np.ndarray, "draws texts"]) -> Float[np.ndarray, "draws 1"]:
            return (weights @ sums / np.maximum(weights @ counts, 1.0))[:, None]

        return bootstrap_weights(means, np.zeros(len(counts), dtype=int), level=level, seed=seed)[0]

    def _mean(self, sums: tuple[float, ...]) -> float:
        return sum(sums) / sum(self.tokens)


def divergences(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec],
    strengths: Sequence[float] | None,
    texts: Sequence[str],
    prompts: Sequence[str] | None = None,
    *,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    max_length: int = 256,
) -> list[Divergence]:
    """Every setting on every text: one result per strength, or per spec.

    Settings are a spec at `strengths`, specs with a strength each, or specs at their own (None). Only tokens
    after `prompts` count. Without prompts every token does, all of it counts as generated; but where an
    intervention acts on the prompt alone, each text's first half is its prompt. `max_length`: tokens of a
    text with its prompt beyond which it is cut.
    """
    settings = settings_of(spec, strengths)
    read = ForcedTexts.of(lm, texts, prompts, settings, max_length)
    rows = [(setting, text) for text in read.order for setting in range(len(settings))]
    sums, moved = Context().run(_measure, lm, settings, read, rows, saes, force)
    place = {pair: number for number, pair in enumerate(rows)}
    of = [[place[setting, text] for text in range(len(texts))] for setting in range(len(settings))]
    return [_result(sums[rows_of], moved[rows_of], read.counts) for rows_of in of]


def divergences_along(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec],
    strengths: Sequence[float] | None,
    texts: Sequence[str],
    prompts: Sequence[str] | None = None,
    *,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    max_length: int = 256,
) -> list[Divergence]:
    """Each text under the setting that wrote it: one spec and strength per text; one result per text.

    Without prompts and `max_length` as in `divergences`. The texts are tokenized anew, which for some
    tokenizers is not how they were written.
    """
    settings = settings_of(spec, strengths)
    if len(settings) == 1:
        settings = settings * len(texts)
    if len(settings) != len(texts):
        raise InputError(f"{len(texts)} texts have {len(settings)} settings; give one per text")
    read = ForcedTexts.of(lm, texts, prompts, settings, max_length)
    rows = [(text, text) for text in read.order]
    sums, moved = Context().run(_measure, lm, settings, read, rows, saes, force)
    found = {text: (sums[i : i + 1], moved[i : i + 1]) for i, (text, _) in enumerate(rows)}
    return [_result(*found[text], read.counts[text : text + 1]) for text in range(len(texts))]


@torch.no_grad()
def _measure(
    lm: LanguageModel,
    settings: Settings,
    texts: ForcedTexts,
    rows: Sequence[tuple[int, int]],
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> tuple[Float[np.ndarray, "rows 3"], Float[np.ndarray, " rows"]]:
    """Sums of the three figures over each row's predictions, and how far its activations were moved."""
    sums, moved = np.zeros((len(rows), 3)), np.zeros(len(rows))
    for group in _groups(lm, texts, rows):
        asked = list(dict.fromkeys(rows[row][1] for row in group))
        plain = dict(zip(asked, lm.logits(*texts.tokens(lm, asked)), strict=True))
        for part in _cut(group, _room(lm, len(texts.ids[rows[group[-1]][1]]))):
            chosen = [settings[rows[row][0]] for row in part]
            values = [strength for _, strength in chosen]
            given = None if None in values else [float(each) for each in values if each is not None]
            edits, requests = compile_edits(lm, [spec for spec, _ in chosen], given, saes, force)
            watches = [_Watch(edit, len(part), lm.device) for edit in edits]
            with lm.intervening(watches, requests):
                steered = lm.logits(*texts.tokens(lm, [rows[row][1] for row in part]))
            for number, row in enumerate(part):
                text = rows[row][1]
                first, ids = texts.starts[text], torch.tensor(texts.ids[text], device=lm.device)
                seen = slice(first - 1, len(ids) - 1)
                sums[row] = distances(steered[number, seen], plain[text][seen], ids[first:])
                moved[row] = max((watch.share(number) for watch in watches), default=0.0)
    return sums, moved


def _groups(lm: LanguageModel, texts: ForcedTexts, rows: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Rows (ordered by text) whose texts' plain logits are held together."""
    group: list[int] = []
    held: set[int] = set()
    for number, (_, text) in enumerate(rows):
        if text not in held and len(held) >= _room(lm, len(texts.ids[text])):
            yield group
            group, held = [], set()
        group.append(number)
        held.add(text)
    yield group


def _room(lm: LanguageModel, length: int) -> int:
    """How many rows of this length fit."""
    return max(1, min(lm.batch_tokens, _LOGITS_AT_ONCE // lm.vocab_size) // length)


def _cut(rows: list[int], size: int) -> Iterator[list[int]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def distances(
    steered: Float[Tensor, "n vocab"], plain: Float[Tensor, "n vocab"], ids: Tensor
) -> tuple[float, float, float]:
    """Summed KL(q || p), KL(p || q) and added nats; infinite where the steered model computes no numbers."""
    q, p = steered.float().log_softmax(-1), plain.float().log_softmax(-1)
    added = (p - q).gather(-1, ids[:, None]).double().sum()
    found = (_kl(q, p), _kl(p, q), added)
    kl, reverse, nats = (float(each) if bool(each.isfinite()) else float("inf") for each in found)
    return max(kl, 0.0), max(reverse, 0.0), nats


def _kl(q: Float[Tensor, "n vocab"], p: Float[Tensor, "n vocab"]) -> Tensor:
    """Sum of q (ln q - ln p); a token that q rules out adds nothing."""
    return torch.where(q == -torch.inf, 0.0, q.exp() * (q - p)).double().sum()


class _Watch:
    """An edit, and how long what it adds is beside what it finds."""

    def __init__(self, edit: Edit, requests: int, device: torch.device) -> None:
        self.hookpoint = edit.hookpoint
        self._edit = edit
        self._added, self._found = torch.zeros(2, requests, device=device).unbind()

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        changed = self._edit(x, at)
        if changed is not x:
            length = (changed - x).float().norm(dim=-1)
            before = torch.where(length > 0, x.float().norm(dim=-1), 0.0)
            self._added.index_add_(0, at.request, length.sum(-1))
            self._found.index_add_(0, at.request, before.sum(-1))
        return changed

    def share(self, request: int) -> float:
        """Mean length of the change over mean length of the activation where it acts; 0 where it does not."""
        added, found = float(self._added[request]), float(self._found[request])
        return added / found if found > 0 else 0.0 if added == 0 else float("inf")


def _result(
    sums: Float[np.ndarray, "texts 3"], moved: Float[np.ndarray, " texts"], counts: list[int]
) -> Divergence:
    kls, reverses, added = (tuple(map(float, column)) for column in sums.T)
    return Divergence(kls, reverses, added, tuple(counts), float(moved.mean()))
