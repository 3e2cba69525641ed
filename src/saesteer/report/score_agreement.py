"""How far two columns of scores rank and grade latents alike. Knows no drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from saesteer.report.score_answers import draws
from saesteer.report.score_columns import Column
from saesteer.statistics import Interval, bootstrap_weights

FEWEST = 3
"""Latents below which a correlation says nothing."""


@dataclass(frozen=True)
class Agreement:
    """Two columns, over the latents that both have a value for."""

    one: str
    other: str
    latents: int
    pearson: Interval | None
    """None with too few latents, or where a column says the same of all."""
    spearman: Interval | None


def agreements(columns: tuple[Column, ...]) -> tuple[Agreement, ...]:
    """Every pair once, in the order of the columns."""
    return tuple(
        _agreement(one, other) for place, one in enumerate(columns) for other in columns[place + 1 :]
    )


def _agreement(one: Column, other: Column) -> Agreement:
    both = [latent for latent in one.values if latent in other.values]
    x, y = (np.array([each.values[latent] for latent in both]) for each in (one, other))
    if len(both) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return Agreement(one.label, other.label, len(both), None, None)
    groups = [np.unique(each, return_inverse=True)[1] for each in (x, y)]

    def figures(weights: Float[np.ndarray, "draws latents"]) -> Float[np.ndarray, "draws 2"]:
        ranks = [_ranks(weights, each) for each in groups]
        return np.stack([_pearson(weights, x, y), _pearson(weights, *ranks)], axis=1)

    pearson, spearman = bootstrap_weights(figures, np.zeros(len(both), int), draws(len(both)) // 4)
    return Agreement(one.label, other.label, len(both), _within(pearson), _within(spearman))


def _ranks(
    weights: Float[np.ndarray, "draws latents"], group: Int[np.ndarray, " latents"]
) -> Float[np.ndarray, "draws latents"]:
    """Of values that are drawn so often each, ties in the middle."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    totals = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(totals, axis=1) - totals / 2)[:, group]


def _pearson(
    weights: Float[np.ndarray, "draws latents"],
    x: Float[np.ndarray, "... latents"],
    y: Float[np.ndarray, "... latents"],
) -> Float[np.ndarray, " draws"]:
    size = weights.sum(1, keepdims=True)
    left, right = (each - (weights * each).sum(1, keepdims=True) / size for each in (x, y))
    spread = np.sqrt((weights * left**2).sum(1) * (weights * right**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-12, (weights * left * right).sum(1) / spread, np.nan)


def _within(interval: Interval) -> Interval:
    """A correlation lies between -1 and 1, also where a draw had none."""
    return Interval(max(-1.0, interval.low), interval.estimate, min(1.0, interval.high), interval.level)
