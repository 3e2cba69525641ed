"""Figures of rows that count so often each, for many draws of a bootstrap at once. Knows numbers alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from saesteer.statistics import Interval


def ranks(
    weights: Float[np.ndarray, "draws rows"], values: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "draws rows"]:
    """Of values that are drawn so often each, ties in the middle."""
    group: Int[np.ndarray, " rows"] = np.unique(values, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    totals = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(totals, axis=1) - totals / 2)[:, group]


def pearson(
    weights: Float[np.ndarray, "draws rows"],
    x: Float[np.ndarray, "... rows"],
    y: Float[np.ndarray, "... rows"],
) -> Float[np.ndarray, " draws"]:
    """NaN where either says the same of all that was drawn."""
    size = weights.sum(1, keepdims=True)
    left, right = (each - (weights * each).sum(1, keepdims=True) / size for each in (x, y))
    spread = np.sqrt((weights * left**2).sum(1) * (weights * right**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-12, (weights * left * right).sum(1) / spread, np.nan)


def kappa(
    weights: Float[np.ndarray, "draws rows"],
    x: Int[np.ndarray, " rows"],
    y: Int[np.ndarray, " rows"],
    levels: int,
) -> Float[np.ndarray, " draws"]:
    """Cohen's kappa of ordered levels, disagreements by their squared distance; NaN where chance explains
    all, as both say the same level of all that was drawn.
    """
    cells = np.stack([weights[:, x * levels + y == cell].sum(1) for cell in range(levels**2)], axis=1)
    table = cells.reshape(-1, levels, levels) / weights.sum(1)[:, None, None]
    apart = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2
    seen = (table * apart).sum((1, 2))
    chance = (table.sum(2)[:, :, None] * table.sum(1)[:, None, :] * apart).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance > 1e-12, 1 - seen / chance, np.nan)


def alpha(
    weights: Float[np.ndarray, "draws rows"], values: Float[np.ndarray, "rows judges"]
) -> Float[np.ndarray, " draws"]:
    """Krippendorff's alpha of numbers; NaN in `values` where a judge said nothing of a row."""
    known = ~np.isnan(values)
    count = known.sum(1)
    paired = count > 1
    x, present, count = np.where(known, values, 0.0)[paired], known[paired], count[paired]
    drawn = weights[:, paired]
    total, square = (x * present).sum(1), (x**2 * present).sum(1)
    within = 2 * (count * square - total**2) / (count - 1)  # over ordered pairs of one row
    size = drawn @ count
    seen = drawn @ within / size
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = 2 * (size * (drawn @ square) - (drawn @ total) ** 2) / (size * (size - 1))
        return np.where(chance > 1e-12, 1 - seen / chance, np.nan)


def within(interval: Interval) -> Interval:
    """A correlation lies between -1 and 1, also where a draw had none."""
    return Interval(max(-1.0, interval.low), interval.estimate, min(1.0, interval.high), interval.level)
