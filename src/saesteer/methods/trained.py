"""A direction found by gradient descent through the steered model; its parameters stay as they are.

Rank-1 steering trained on texts: AxBench (Wu et al. 2025, arXiv 2501.17148) and RePS (arXiv 2505.20809).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.methods.descent import Descent, Point, best_of, descend, noted, with_gradients
from saesteer.methods.direction import direction_spec, provenance_of, texts_of
from saesteer.methods.objectives import OBJECTIVES, Bench, Objective
from saesteer.methods.pairs import Pair, Pairs
from saesteer.model import LanguageModel
from saesteer.runs import digest
from saesteer.steering import SteeringSpec, TensorRef, Where, residual_norm
from saesteer.text import load_concept
from saesteer.text.concept import Concept

EVERYWHERE: Final = (0.2, 0.3, 0.4)
"""Step lengths in mean residual norms, for an edit at every token."""
FEW_PLACES: Final = (1.0, 2.0, 3.0)
"""The same in a window: what is written after it is not edited."""


@with_gradients
def trained(
    lm: LanguageModel,
    concept: Concept | str,
    at: str,
    *,
    objective: str = "lm",
    steps: int = 60,
    lr: float = 0.05,
    batch: int = 8,
    factors: Sequence[float] | None = None,
    max_length: int = 32,
    held_out: float = 0.25,
    prompts: Sequence[str] | None = None,
    positions: str | Sequence[int] = "all",
    skip: Sequence[str] = ("bos", "special"),
    seed: int = 0,
    strength: float | None = None,
) -> SteeringSpec:
    """A spec that adds the unit direction u with the least loss of the `objective`, "lm" or "reps".

    `positions` and `skip`: where it is added, in training as by the spec: "all", or a window such as (0, 6)
    at the beginning of a text, and what is left out of it. Of each text the step length is drawn from
    `factors`, in mean residual norms (default 0.2, 0.3, 0.4; in a window 1, 2, 3); the default `strength` is
    their middle. `max_length`: tokens of a text that are read. `held_out`: the share of the texts that the
    best of `steps` is chosen by. `prompts`: the model writes texts of its own behind these, with and without
    the concept, instead of reading the concept's. `lr` is of Adam, for a vector that starts at length 1 and
    of which only the direction counts. Equal by `seed` on the CPU.
    """
    concept, at = load_concept(concept), lm.hookpoint(at)
    how = Descent(steps, lr, batch, seed)
    where = _where(positions, skip)
    usual = EVERYWHERE if where.positions == "all" else FEW_PLACES
    lengths = _factors(usual if factors is None else factors)
    chosen = OBJECTIVES.get(objective)
    if prompts is None:
        _check_reached(lm, where, concept.positive, max_length)

    def work() -> tuple[Tensor, tuple[Point, ...]]:
        pairs = (
            Pairs.of(concept, held_out, seed)
            if prompts is None
            else Pairs.written(lm, concept, prompts, held_out, seed)
        )
        bench = Bench(lm, at, residual_norm(lm, at, texts_of(concept)), max_length, where)
        return _Training(bench, pairs, chosen, lengths, how).run()

    vector, curve = Context().run(work)  # a fresh context has no steering in it
    best = best_of(curve)
    settings = {
        "objective": objective, "steps": steps, "lr": lr, "batch": batch, "factors": list(lengths),
        "max_length": max_length, "held_out": held_out, "seed": seed,
        "positions": where.to_dict()["positions"], "skip": list(where.skip),
    }  # fmt: skip
    provenance = provenance_of("trained", concept, at) | {
        "settings": settings,
        "prompts_sha256": None if prompts is None else digest(list(prompts)),
        "best_step": best.step,
        "curve": noted(curve),
    }
    middle = sorted(lengths)[len(lengths) // 2]
    spec = direction_spec(
        lm, at, TensorRef.of(vector), provenance,
        strength=middle if strength is None else strength, texts=texts_of(concept),
    )  # fmt: skip
    return spec.placed(where.positions, where.skip)


@dataclass(frozen=True, eq=False)
class _Training:
    """One vector on its way."""

    bench: Bench
    pairs: Pairs
    objective: Objective
    factors: tuple[float, ...]
    how: Descent

    def run(self) -> tuple[Float[Tensor, " d"], tuple[Point, ...]]:
        """The unit direction, and the losses on the way."""
        lm, draw = self.bench.lm, random.Random(self.how.seed + 1)
        vector = self._start().to(lm.device).requires_grad_()

        def loss(numbers: list[int]) -> Tensor:
            lengths = torch.tensor([draw.choice(self.factors) for _ in numbers])
            return self.objective(self.bench, [self.pairs.train[i] for i in numbers], vector, lengths)

        optimiser = torch.optim.Adam([vector], lr=self.how.lr)
        curve = descend(
            [vector], optimiser, loss, lambda: self._held_out(vector), len(self.pairs.train), self.how
        )
        found = vector.detach().cpu().double()
        return (found / found.norm()).float(), curve

    def _start(self) -> Float[Tensor, " d"]:
        draw = torch.Generator().manual_seed(self.how.seed)  # on the CPU: the same on every device
        vector = torch.randn(self.bench.lm.width(self.bench.hookpoint), generator=draw)
        return vector / vector.norm()

    @torch.no_grad()
    def _held_out(self, vector: Tensor) -> float:
        """Mean loss over the held-out pairs, the factors in turn."""
        pairs, size = self.pairs.held_out, self.how.batch
        total = 0.0
        for low in range(0, len(pairs), size):
            part: Sequence[Pair] = pairs[low : low + size]
            turn = torch.tensor(
                [self.factors[number % len(self.factors)] for number in range(low, low + len(part))]
            )
            total += float(self.objective(self.bench, part, vector, turn)) * len(part)
        return total / len(pairs)


def _where(positions: str | Sequence[int], skip: Sequence[str]) -> Where:
    """Texts are read whole in training, so prompt, generated and last would mean something else there."""
    where = Where.from_dict({"positions": positions, "skip": list(skip)})
    if where.positions != "all" and isinstance(where.positions, str):
        raise InputError(
            f"positions of a training are 'all' or a window [a, b], got {positions!r}; "
            "train everywhere and move the spec: spec.placed(...)"
        )
    return where


def _check_reached(lm: LanguageModel, where: Where, texts: Sequence[str], max_length: int) -> None:
    """A window behind the end of all texts would leave the direction where it was drawn."""
    longest = int(lm.tokenize(list(texts), max_length=max_length).mask.sum(1).max())
    if isinstance(where.positions, tuple) and where.positions[0] >= longest:
        raise InputError(
            f"positions begin at {where.positions[0]}, but of the texts at most {longest} tokens are read; "
            "give earlier ones, or a larger max_length"
        )


def _factors(values: Sequence[float]) -> tuple[float, ...]:
    found = tuple(float(each) for each in values)
    if not found or not all(math.isfinite(each) and each > 0 for each in found):
        raise InputError(f"factors are numbers above 0, in mean residual norms, got {list(values)}")
    return found
