"""How well scores tell labels: AUROC, F1 at a threshold, correlation with grades. Knows numbers only.

Intervals draw documents anew, positives and negatives each among themselves, so their shares stay; precision
is that of the share of positives in these documents. Of a figure of exactly 0 or 1 the interval has no width:
by the rule of three up to 3 / n of such documents may be otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from saesteer.errors import InputError
from saesteer.statistics import Interval, bootstrap_weights


@dataclass(frozen=True)
class Separation:
    """Scores of documents against their labels; found is what scores above a threshold."""

    positives: int
    negatives: int
    auroc: Interval
    f1: Interval | None = None
    """2 precision recall / (precision + recall); this and what follows: None without a threshold."""
    precision: Interval | None = None
    """0 where nothing is found."""
    recall: Interval | None = None
    false_positive_rate: Interval | None = None
    accuracy: Interval | None = None
    graded: int = 0
    """Documents with a grade, on which the correlations stand; grades that are all 0 or 1 are labels."""
    pearson: Interval | None = None
    """With the grades; None for fewer than three or where all are equal."""
    spearman: Interval | None = None
    """The same of ranks, ties averaged."""

    def lines(self) -> list[str]:
        """The figures that there are, with their intervals."""
        names = {"AUROC": self.auroc, "F1": self.f1, "precision": self.precision, "recall": self.recall}
        names |= {"false positives": self.false_positive_rate, "Spearman": self.spearman}
        return [
            f"{name:<15} {each.estimate:6.3f}   {each.low:.3f} to {each.high:.3f}"
            for name, each in names.items()
            if each is not None
        ]


def separation(
    scores: Float[np.ndarray, " documents"],
    positive: Bool[np.ndarray, " documents"],
    threshold: float | None = None,
    grades: Float[np.ndarray, " documents"] | None = None,
    n: int = 2000,
    seed: int = 0,
) -> Separation:
    """`grades`: NaN where there is none. InputError where all documents are of one class."""
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive)
    if positive.dtype != bool or positive.all() or not positive.any():
        raise InputError(
            f"all {len(positive)} labelled documents are of one class; give positive and negative ones"
        )
    (area,) = bootstrap_weights(lambda w: auroc_of(scores, positive, w)[:, None], positive, n, seed=seed)
    found = Separation(int(positive.sum()), int((~positive).sum()), area)
    values = dict(vars(found))
    if threshold is not None:
        above = scores > threshold
        names = ("f1", "precision", "recall", "false_positive_rate", "accuracy")
        intervals = bootstrap_weights(lambda w: counted(above, positive, w), positive, n, seed=seed)
        values |= dict(zip(names, intervals, strict=True))
    if grades is not None:
        values |= _correlations(scores, np.asarray(grades, np.float64), positive, n, seed)
    return Separation(**values)


def auroc_of(
    scores: Float[np.ndarray, " rows"],
    positive: Bool[np.ndarray, " rows"],
    weights: Float[np.ndarray, "draws rows"],
) -> Float[np.ndarray, " draws"]:
    """The chance that a positive row scores above a negative one, ties half; rows as often as drawn."""
    ranks = midranks(scores, weights)
    yes = weights * positive
    count = yes.sum(1)
    pairs = count * (weights.sum(1) - count)
    return np.asarray(((ranks * yes).sum(1) - count * (count + 1) / 2) / pairs)


def counted(
    above: Bool[np.ndarray, " rows"],
    positive: Bool[np.ndarray, " rows"],
    weights: Float[np.ndarray, "draws rows"],
) -> Float[np.ndarray, "draws 5"]:
    """F1, precision, recall, false positive rate and accuracy; 0 for 0 / 0."""
    hits, alarms = weights @ (above & positive), weights @ (above & ~positive)
    misses, rest = weights @ (~above & positive), weights @ (~above & ~positive)
    rates = (
        (2 * hits, 2 * hits + alarms + misses),
        (hits, hits + alarms),
        (hits, hits + misses),
        (alarms, alarms + rest),
        (hits + rest, weights.sum(1)),
    )
    return np.stack([top / np.where(bottom == 0, 1, bottom) for top, bottom in rates], axis=1)


def midranks(
    values: Float[np.ndarray, " rows"], weights: Float[np.ndarray, "draws rows"]
) -> Float[np.ndarray, "draws rows"]:
    """Ranks from 1 among the rows as often as they were drawn, averaged over ties."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)]))
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(sizes, axis=1) - sizes + (sizes + 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group]
    return ranks


def pearson_of(
    x: Float[np.ndarray, "draws rows"],
    y: Float[np.ndarray, "draws rows"],
    weights: Float[np.ndarray, "draws rows"],
) -> Float[np.ndarray, " draws"]:
    """Correlation of rows as often as drawn; 0 where either is constant."""
    total = weights.sum(1, keepdims=True)
    x = x - (weights * x).sum(1, keepdims=True) / total
    y = y - (weights * y).sum(1, keepdims=True) / total
    spread = np.sqrt((weights * x * x).sum(1) * (weights * y * y).sum(1))
    return np.asarray((weights * x * y).sum(1) / np.where(spread <= 1e-12, np.inf, spread))


def _correlations(
    scores: Float[np.ndarray, " rows"],
    grades: Float[np.ndarray, " rows"],
    positive: Bool[np.ndarray, " rows"],
    n: int,
    seed: int,
) -> dict[str, object]:
    known = np.isfinite(grades)
    if np.isin(grades[known], (0, 1)).all():
        return {}
    x, y = scores[known], grades[known]
    if known.sum() < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"graded": int(known.sum())}

    def both(w: Float[np.ndarray, "draws rows"]) -> Float[np.ndarray, "draws 2"]:
        plain = pearson_of(x[None] + 0 * w, y[None] + 0 * w, w)
        return np.stack([plain, pearson_of(midranks(x, w), midranks(y, w), w)], axis=1)

    pearson, spearman = bootstrap_weights(both, positive[known], n, seed=seed)
    return {"graded": int(known.sum()), "pearson": pearson, "spearman": spearman}
