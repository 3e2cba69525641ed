"""How far to go along vectors so that a model is a given KL from itself, along fixed texts. Knows a model.

KL(steered || plain), the mean over the tokens of the texts behind their prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.model import LanguageModel, Tokens
from saesteer.steering import Where, residual_norm
from saesteer.steering.crossing import Crossing, Search, find_crossings, geometric
from saesteer.steering.vectors import steer_vectors

_AT_ONCE: Final = 2**26
"""Values of logits held at a time."""
_NEAR: Final = 0.05
"""Of the target: a strength whose KL is this close is the one."""
_LEAST, _MOST = 2.0**-6, 2.0**6
"""Of the mean length of an activation there: where strengths are looked for."""


@dataclass(frozen=True)
class Found:
    """What was found of one vector."""

    outcome: str
    """"crossed", or why there is no strength (see Crossing)."""
    strength: float | None
    kl: float | None
    """At the probe next to it."""


def find_strengths(
    lm: LanguageModel,
    at: str,
    vectors: Float[Tensor, "n d"],
    texts: Sequence[str],
    prompts: Sequence[str],
    target: float,
    where: Where,
) -> list[Found]:
    """The first strength of each vector of unit length that reaches `target`."""
    measure = _Measure(lm, at, vectors, texts, prompts, where)
    scale = residual_norm(lm, at, tuple(texts))
    search = Search(geometric(_LEAST * scale, _MOST * scale, 2.0), tolerance=_NEAR * target, power=True)
    return [_found(each, target) for each in find_crossings(measure, [target] * len(vectors), search)]


def _found(crossing: Crossing, target: float) -> Found:
    if crossing.strength is None:
        return Found(crossing.outcome, None, None)
    ends = [each for each in (crossing.low, crossing.high) if each is not None]
    near = min(ends, key=lambda each: abs(each.value - target))
    return Found(crossing.outcome, crossing.strength, near.value)


class _Measure:
    """(vector, strength) -> mean KL; all that are asked at once share batches with the plain model."""

    def __init__(
        self,
        lm: LanguageModel,
        at: str,
        vectors: Float[Tensor, "n d"],
        texts: Sequence[str],
        prompts: Sequence[str],
        where: Where,
    ) -> None:
        self._lm, self._at, self._vectors, self._where = lm, at, vectors, where
        whole = lm.tokenize(list(texts), max_length=lm.max_positions)
        starts = lm.tokenize(list(prompts), max_length=lm.max_positions).lengths()
        self._ids = [row[mask].tolist() for row, mask in zip(whole.ids, whole.mask, strict=True)]
        pairs = zip(self._ids, starts.tolist(), strict=True)
        self._starts = [max(1, min(start, len(row))) for row, start in pairs]

    def __call__(self, pairs: Sequence[tuple[int, float]]) -> list[float]:
        vectors = torch.stack([self._vectors[0], *(self._vectors[number] for number, _ in pairs)])
        strengths = [0.0, *(strength for _, strength in pairs)]
        longest = max(map(len, self._ids))
        texts = max(1, _AT_ONCE // (longest * self._lm.vocab_size * len(strengths)))
        sums = torch.zeros(len(pairs), dtype=torch.float64)
        for first in range(0, len(self._ids), texts):
            sums += self._kls(range(first, min(first + texts, len(self._ids))), vectors, strengths)
        count = sum(len(ids) - start for ids, start in zip(self._ids, self._starts, strict=True))
        return (sums / max(1, count)).tolist()

    def _kls(
        self, texts: range, vectors: Float[Tensor, "m d"], strengths: list[float]
    ) -> Float[Tensor, " pairs"]:
        """Summed over what follows the prompts; of each text the first row is plain."""
        each = len(strengths)
        tokens = Tokens.of([self._ids[text] for text in texts for _ in strengths])
        starts = torch.tensor([self._starts[text] for text in texts for _ in strengths])
        with steer_vectors(
            self._lm, self._at, vectors.repeat(len(texts), 1), strengths * len(texts), self._where
        ):
            found = self._lm.logits(tokens, starts)  # else all of a text is prompt, and nothing generated
        sums = torch.zeros(each - 1, dtype=torch.float64)
        for number, text in enumerate(texts):
            seen = slice(self._starts[text] - 1, len(self._ids[text]) - 1)
            logs = found[number * each : (number + 1) * each, seen].float().log_softmax(-1)
            plain, steered = logs[0], logs[1:]
            kl = torch.where(steered == -torch.inf, 0.0, steered.exp() * (steered - plain))
            sums += kl.double().sum((1, 2)).nan_to_num(torch.inf).clamp(min=0.0).cpu()
        return sums
