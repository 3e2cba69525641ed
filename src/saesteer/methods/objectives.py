"""What a direction is trained for: the likelihood of texts with a concept, or their preference.

Knows likelihoods under two edits, adding the direction and nulling it; not how the direction is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from saesteer.methods.likelihood import Continuations, log_likelihood
from saesteer.methods.pairs import Pair
from saesteer.model import LanguageModel, Positions
from saesteer.names import Registry
from saesteer.steering import Where
from saesteer.steering.operations import project_out, unit

EVERYWHERE: Final = Where()
"""All content but special tokens."""


@dataclass(frozen=True, eq=False)
class Added:
    """The edit x + f n u, where the spec will do it."""

    hookpoint: str
    vector: Float[Tensor, " d"]
    """Of any length; u is the unit vector along it."""
    lengths: Float[Tensor, " rows"]
    """f n of each row of the batch."""
    where: Where = EVERYWHERE

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        step = (self.lengths[at.request, None, None] * unit(self.vector)).to(x.dtype)
        return torch.where(self.where.select(at).unsqueeze(-1), x + step, x)


@dataclass(frozen=True, eq=False)
class Nulled:
    """The edit x - (x . u) u: nothing of the direction is left."""

    hookpoint: str
    vector: Float[Tensor, " d"]
    where: Where = EVERYWHERE

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        return torch.where(self.where.select(at).unsqueeze(-1), project_out(x, self.vector), x)


@dataclass(frozen=True)
class Bench:
    """Where likelihoods are measured."""

    lm: LanguageModel
    hookpoint: str
    norm: float
    """Mean residual norm there."""
    max_length: int
    where: Where = EVERYWHERE

    def rows(self, pairs: Sequence[Pair], side: str) -> Continuations:
        """The texts of one side behind their prompts."""
        texts = [getattr(each, side) for each in pairs]
        return Continuations.of(self.lm, [each.prompt for each in pairs], texts, self.max_length)

    def added(
        self, rows: Continuations, vector: Tensor, factors: Float[Tensor, " rows"]
    ) -> tuple[Tensor, Tensor]:
        """ln p and tokens of each row, steered by `factors` mean residual norms."""
        lengths = factors.to(self.lm.device) * self.norm
        with self.lm.intervening([Added(self.hookpoint, vector, lengths, self.where)]):
            return log_likelihood(self.lm, rows)

    def nulled(self, rows: Continuations, vector: Tensor) -> tuple[Tensor, Tensor]:
        """ln p and tokens of each row without the direction."""
        with self.lm.intervening([Nulled(self.hookpoint, vector, self.where)]):
            return log_likelihood(self.lm, rows)


def language_modelling(
    bench: Bench, pairs: Sequence[Pair], vector: Float[Tensor, " d"], factors: Float[Tensor, " rows"]
) -> Float[Tensor, ""]:
    """Nats per token of the texts with the concept, steered (the rank-1 baseline of AxBench, 2501.17148)."""
    found, tokens = bench.added(bench.rows(pairs, "positive"), vector, factors)
    return -found.sum() / tokens.sum()


def reps(
    bench: Bench, pairs: Sequence[Pair], vector: Float[Tensor, " d"], factors: Float[Tensor, " rows"]
) -> Float[Tensor, ""]:
    """RePS (arXiv 2505.20809): the text with the concept is preferred when steered, the other when nulled.

        D+ = b+ l(y_c | steered) - l(y | steered)      b+ = max(ln p(y) - ln p(y_c), 1), the plain model's
        D- = b- l(y | nulled) - l(y_c | nulled)        b- = max(ln p(y_c) - ln p(y), 1)
        loss = -ln sigmoid(D+) - ln sigmoid(D-)

    l is ln p per token; in b+ and b- it is the sum over the text. With means there b is nearly always 1,
    and the loss is won by making y unlikely instead of y_c likely, which steered half as well in trials on
    the embedded world (docs/trained_methods.md).
    """
    sides = [bench.rows(pairs, side) for side in ("positive", "negative")]
    with torch.no_grad():
        with_it, without = (log_likelihood(bench.lm, rows)[0] for rows in sides)
    forward, backward = (without - with_it).clamp(min=1), (with_it - without).clamp(min=1)
    steered = [_per_token(bench.added(rows, vector, factors)) for rows in sides]
    nulled = [_per_token(bench.nulled(rows, vector)) for rows in sides]
    plus = forward * steered[0] - steered[1]
    minus = backward * nulled[1] - nulled[0]
    return -(F.logsigmoid(plus) + F.logsigmoid(minus)).mean()


def _per_token(found: tuple[Tensor, Tensor]) -> Tensor:
    return found[0] / found[1]


Objective = Callable[[Bench, Sequence[Pair], Tensor, Tensor], Tensor]

OBJECTIVES: Registry[Objective] = Registry("objective", {"lm": language_modelling, "reps": reps})
