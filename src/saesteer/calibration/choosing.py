"""Rows to a curve, where to try next, and which strength is best within the budget. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.calibration.budget import Budget
from saesteer.calibration.probing import Probe
from saesteer.calibration.result import Point
from saesteer.evaluation import Divergence, Figures, Row, difference, figures
from saesteer.evaluation.figures import judged
from saesteer.evaluation.figures import known as known_interval
from saesteer.statistics import Interval, bootstrap_weights

LEVEL: Final = 0.95  # of a lift that counts as an effect; the other half confirms it or not
FINALISTS: Final = 4
_CLOSE: Final = 1.03  # strengths nearer than this ratio are not told apart
Written = Mapping[float, tuple[Row, ...]]
"""Magnitude -> its rows of the selection half."""


def points_of(
    probe: Probe, budget: Budget, written: Written, base: Sequence[Row], goal: str
) -> tuple[Point, ...]:
    """The curve: every magnitude that was tried, on texts written or on fixed ones alone."""
    plain = [row for row in base if row.half == "selection"]
    found = []
    for magnitude in sorted({*written} if written else {*probe.distances}):
        (far,) = probe.distance([magnitude])
        rows = written.get(magnitude, ())
        known = figures(rows) if any(row.ok for row in rows) else None
        lift = difference(rows, plain, LEVEL) if known and any(row.ok for row in plain) else None
        clear = lift is not None and (lift.low > 0 if goal == "raise" else lift.high < 0)
        strength = probe.sign * magnitude
        found.append(
            Point(
                strength=strength,
                raw=probe.spec.with_strength(strength).interventions[0].strength.plain,
                figures=known,
                lift=lift,
                kl=far.interval("kl"),
                nats=far.interval("nats"),
                moved=far.moved,
                broken=budget.broken(far, _coherence(budget, known)),
                effective=clear,
            )
        )
    return tuple(found)


def _coherence(budget: Budget, found: Figures | None) -> float | None:
    """What the budget asks about; of texts that were judged without it, an InputError where it does ask."""
    if found is None or (budget.coherence is None and found.coherence is None):
        return None
    return known_interval(found.coherence).estimate


def next_net(points: Sequence[Point], goal: str) -> list[float]:
    """Magnitudes around the best point that holds the budget, and between it and the first that does not."""
    known = [abs(each.strength) for each in points]
    held = [i for i, each in enumerate(points) if not each.broken and each.figures]
    if not held:
        return [known[0] / 2, known[0] / 4]
    best = max(held, key=lambda i: _worth(points[i], goal))
    pairs = [(best - 1, best), (best, best + 1)]
    edge = next((i for i in range(best + 1, len(points)) if points[i].broken), None)
    wanted = [(known[a] * known[b]) ** 0.5 for a, b in pairs if a >= 0 and b < len(known)]
    wanted += [known[0] / 2] if best == 0 else []
    if edge is not None:
        low, high = known[edge - 1], known[edge]
        wanted += [
            low * (high / low) ** share for share in ((1 / 3, 2 / 3) if edge - 1 != best else (2 / 3,))
        ]
    new: list[float] = []
    for each in wanted:
        if all(max(each / other, other / each) > _CLOSE for other in (*known, *new)):
            new.append(each)
    return sorted(new)


def finalists(points: Sequence[Point], goal: str) -> list[float]:
    """Magnitudes of the best few within the budget that lie beyond the plain model, clearly or not yet."""
    side = 1 if goal == "raise" else -1
    held = [each for each in points if not each.broken and each.lift and side * each.lift.estimate > 0]
    best = sorted(held, key=lambda each: -_worth(each, goal))[:FINALISTS]
    return sorted(abs(each.strength) for each in best)


def renumbered(rows: Sequence[Row], first: int) -> tuple[Row, ...]:
    """Samples counted from `first` on, beside earlier ones of the same prompts."""
    return tuple(replace(row, sample=row.sample + first) for row in rows)


def argmax_interval(
    points: Sequence[Point], written: Written, budget: Budget, goal: str, seed: int
) -> Interval:
    """The strength with the most behaviour (or the least) that holds the budget; prompts are drawn anew.

    Each draw takes means over its prompts and chooses again, among the strengths with an effect and within
    the limits of the fixed texts; where coherence holds at none of them, it takes the weakest.
    """
    allowed = [each for each in points if each.effective and set(each.broken) <= {"coherence"}]
    rows = [judged(written[abs(each.strength)]) for each in allowed]
    prompts = sorted({row.prompt_id for part in rows for row in part})
    place = {prompt: number for number, prompt in enumerate(prompts)}
    sums = np.zeros((3, len(prompts), len(allowed)))
    for column, part in enumerate(rows):
        for row in part:
            assert row.behaviour is not None
            sums[:, place[row.prompt_id], column] += (row.behaviour, row.coherence or 0.0, 1.0)
    strengths = np.array([each.strength for each in allowed])
    floor = -np.inf if budget.coherence is None else budget.coherence

    def chosen(weights: Float[np.ndarray, "draws prompts"]) -> Float[np.ndarray, "draws 1"]:
        behaviour, coherence, count = weights @ sums
        count = np.maximum(count, 1e-9)
        worth = np.where(coherence / count >= floor - 1e-9, behaviour / count, np.nan)
        if goal == "lower":
            worth = -worth
        none = np.isnan(worth).all(axis=1)
        worth[none, 0] = 0.0
        return strengths[np.nanargmax(np.where(np.isnan(worth), -np.inf, worth), axis=1)][:, None]

    return bootstrap_weights(chosen, np.zeros(len(prompts), dtype=int), seed=seed)[0]


def limit_interval(probe: Probe, budget: Budget, chosen: float) -> Interval:
    """A strength at the limit; texts are drawn anew, and each draw reads its limit off its own curve."""
    magnitudes = sorted(probe.distances)
    every = probe.distance(magnitudes)
    log = np.log(magnitudes)

    def limits(weights: Float[np.ndarray, "draws texts"]) -> Float[np.ndarray, "draws 1"]:
        used = np.array([[budget.used(_drawn(each, row)) for each in every] for row in weights])
        over = used > 1
        first = np.where(over.any(axis=1), over.argmax(axis=1), len(log) - 1)
        before = np.maximum(first - 1, 0)
        lines = np.arange(len(weights))
        low, high = used[lines, before], used[lines, first]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.clip(np.nan_to_num((1 - low) / (high - low)), 0, 1)
        return np.exp(log[before] + share * (log[first] - log[before]))[:, None]

    texts = np.zeros(len(every[0].tokens), dtype=int)
    found = bootstrap_weights(limits, texts, n=400, seed=probe.seed)[0]
    ends = sorted(probe.sign * each for each in (min(found.low, chosen), max(found.high, chosen)))
    return Interval(ends[0], probe.sign * chosen, ends[1], found.level)


def window(points: Sequence[Point], strength: float) -> tuple[float, float] | None:
    """The safe strengths around the chosen one, up to the first on either side that is not."""
    at = next(i for i, each in enumerate(points) if each.strength == strength)
    low = high = at
    while low > 0 and points[low - 1].safe:
        low -= 1
    while high + 1 < len(points) and points[high + 1].safe:
        high += 1
    ends = sorted((points[low].strength, points[high].strength))
    return (ends[0], ends[1])


def _drawn(found: Divergence, weights: Float[np.ndarray, " texts"]) -> Divergence:
    """The same with each text so many times."""

    def times(sums: Sequence[float]) -> tuple[float, ...]:
        return tuple((np.asarray(sums) * weights).tolist())

    tokens = tuple((np.asarray(found.tokens) * weights).tolist())
    return Divergence(times(found.kls), times(found.reverses), times(found.added), tokens, found.moved)


def _worth(point: Point, goal: str) -> float:
    assert point.figures is not None
    behaviour = point.figures.behaviour.estimate
    return behaviour if goal == "raise" else -behaviour
