"""Thresholds: above which score a document counts as found. Knows numbers only.

f1: the best F1 on labelled documents; fpr=0.05: at most that share of the negatives is above; quantile=0.95:
that share of the documents is not above, whatever their labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from saesteer.errors import InputError

_RATES: Final = ("fpr", "quantile")


@dataclass(frozen=True)
class Goal:
    """What a threshold is for."""

    name: str = "f1"
    """f1, fpr or quantile."""
    rate: float | None = None
    """Of fpr and quantile, from 0 to 1."""

    @classmethod
    def parse(cls, text: str) -> Goal:
        """From "f1", "fpr=0.05" or "quantile=0.95"."""
        name, equals, value = text.partition("=")
        try:
            rate = float(value) if equals else None
        except ValueError:
            rate = -1.0
        wanted = rate is not None and 0 <= rate <= 1 if name in _RATES else rate is None
        if name not in ("f1", *_RATES) or not wanted:
            raise InputError(f"a goal is f1, fpr=RATE or quantile=RATE (from 0 to 1), got {text!r}; try f1")
        return cls(name, rate)

    def __str__(self) -> str:
        return self.name if self.rate is None else f"{self.name}={self.rate:g}"


def threshold_for(
    goal: Goal,
    scores: Float[np.ndarray, " documents"],
    positive: Bool[np.ndarray, " documents"] | None = None,
) -> float:
    """Where to cut these scores; `positive` is needed but for a quantile. Found is what lies above."""
    scores = np.asarray(scores, np.float64)
    if goal.name == "quantile":
        assert goal.rate is not None
        return float(np.quantile(scores, goal.rate, method="inverted_cdf"))
    if positive is None or positive.all() or not positive.any():
        raise InputError(
            f"a threshold by {goal} needs positive and negative documents; "
            "give labelled texts of both kinds, a threshold, or quantile=RATE"
        )
    return _best_f1(scores, positive) if goal.name == "f1" else _by_rate(scores[~positive], goal.rate or 0.0)


def _best_f1(scores: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> float:
    """Half-way between two neighbouring scores; of equally good ones the highest."""
    values, group = np.unique(scores, return_inverse=True)
    found = np.bincount(group, weights=positive)[::-1].cumsum()[::-1]  # positives at this value or above
    every = np.bincount(group)[::-1].cumsum()[::-1]
    f1 = 2 * found / (every + positive.sum())
    best = len(values) - 1 - int(np.argmax(f1[::-1]))
    return _between(values[best - 1], values[best]) if best else _below(values)


def _by_rate(negatives: Float[np.ndarray, " n"], rate: float) -> float:
    """The score of the first negative that is not above, or below all."""
    allowed = int(np.floor(rate * len(negatives) + 1e-9))
    ordered = np.sort(negatives)[::-1]
    return float(ordered[allowed]) if allowed < len(ordered) else _below(ordered)


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return float(middle if middle < high else low)


def _below(values: Float[np.ndarray, " n"]) -> float:
    """Under every score, by as much as they spread."""
    return float(values.min() - max(1.0, float(np.ptp(values))))
