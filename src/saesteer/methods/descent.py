"""Gradient descent on a few examples: batches by seed, a held-out part to stop by, the best step kept.

Knows tensors and losses; no model, no text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import torch
from torch import Tensor

from saesteer.errors import InputError, SaesteerError

P = ParamSpec("P")
T = TypeVar("T")
CLIP: Final = 1.0
"""The longest gradient."""


def check_seed(seed: int) -> None:
    """InputError for what torch takes for no seed, or for another one."""
    if not 0 <= seed < 2**63:
        raise InputError(f"a seed is a whole number from 0 to 2**63 - 1, got {seed}")


@dataclass(frozen=True)
class Descent:
    """How far and how fast."""

    steps: int
    lr: float
    batch: int
    """Examples of a step."""
    seed: int = 0
    """Of the order of the examples, and of whatever else a method draws."""
    every: int = 10
    """Steps between two looks at the held-out part."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is a whole number, at least 1, got {value!r}")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr is a number above 0, got {self.lr}")
        check_seed(self.seed)


@dataclass(frozen=True)
class Point:
    """One look at the loss."""

    step: int
    """Steps done."""
    loss: float | None
    """Mean over the batches since the last look; None before the first."""
    held_out: float


def with_gradients(method: Callable[P, T]) -> Callable[P, T]:
    """The method with gradients on, also for a caller who has switched them off."""

    @wraps(method)
    def work(*args: P.args, **given: P.kwargs) -> T:
        with torch.inference_mode(False), torch.enable_grad():
            return method(*args, **given)

    return work


def descend(
    parameters: Sequence[Tensor],
    optimiser: torch.optim.Optimizer,
    loss: Callable[[list[int]], Tensor],
    held_out: Callable[[], float],
    examples: int,
    how: Descent,
) -> tuple[Point, ...]:
    """Minimise `loss` of batches of example numbers; afterwards `parameters` are those of the best look.

    The start counts as a look, so that training can only help the held-out part. Gradients are asked for
    these parameters alone; no other tensor's `.grad` is touched.
    """
    batches = _batches(examples, how)
    curve, best = [Point(0, None, held_out())], [each.detach().clone() for each in parameters]
    losses: list[float] = []
    for step in range(1, how.steps + 1):
        value = loss(next(batches))
        for each, slope in zip(parameters, torch.autograd.grad(value, list(parameters)), strict=True):
            each.grad = slope
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        losses.append(value.item())
        if step % how.every == 0 or step == how.steps:
            point = Point(step, sum(losses) / len(losses), held_out())
            _check(point)
            if point.held_out < min(each.held_out for each in curve):
                best = [each.detach().clone() for each in parameters]
            curve.append(point)
            losses = []
    with torch.no_grad():
        for each, value in zip(parameters, best, strict=True):
            each.copy_(value)
            each.grad = None
    return tuple(curve)


def best_of(curve: Sequence[Point]) -> Point:
    """The look whose parameters were kept."""
    return min(curve, key=lambda each: (each.held_out, each.step))


def noted(curve: Sequence[Point]) -> list[list[Any]]:
    """A curve as plain values: [step, loss, held-out loss], to six digits."""
    return [[each.step, _short(each.loss), _short(each.held_out)] for each in curve]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _check(point: Point) -> None:
    if not (math.isfinite(point.held_out) and math.isfinite(point.loss or 0.0)):
        raise SaesteerError(f"the loss is {point.held_out} after {point.step} steps; lower lr")


def _batches(examples: int, how: Descent) -> Iterator[list[int]]:
    """Endless batches; every example once before any comes again."""
    draw, waiting = random.Random(how.seed), []  # type: ignore[var-annotated]
    while True:
        while len(waiting) < how.batch:
            order = list(range(examples))
            draw.shuffle(order)
            waiting += order
        yield waiting[: how.batch]
        waiting = waiting[how.batch :]
