"""What single answers say, over all latents of a column: accuracy by quantile, ROC. Knows no drawing.

Answers are rows that scorers keep: `truth` and `said` are compared, `probability` is that of yes where
`truth` is yes or no (`value` where there is none), `quantile` is that of the active windows. A figure leaves
out rows without its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from saesteer.report.score_columns import Column, finite
from saesteer.statistics import Interval, auroc, bootstrap_mean, bootstrap_weights

_BINS: Final = 256
_POINTS: Final = 120  # of a ROC curve that are drawn
_WORK: Final = 20_000_000  # draws times latents


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers to windows of one kind."""

    quantile: int | None
    """None: silent windows."""
    share: Interval
    answers: int


@dataclass(frozen=True)
class Roc:
    """All answers of a column with a probability, whatever their latent."""

    false_positives: tuple[float, ...]
    true_positives: tuple[float, ...]
    area: Interval
    answers: int


def draws(latents: int) -> int:
    """How many bootstrap draws over so many latents are worth their time."""
    return max(200, min(2000, _WORK // max(1, latents)))


def right(row: Mapping[str, Any]) -> bool | None:
    """Whether an answer is right; None where the row does not say."""
    truth, said = row.get("truth"), row.get("said")
    if not isinstance(truth, (bool, int, str)) or not isinstance(said, (bool, int, str)):
        return None
    return truth == said


def accuracies(column: Column) -> tuple[Accuracy, ...]:
    """By quantile, the weakest first, then of silent windows; intervals over latents."""
    found: dict[int | None, tuple[list[bool], list[int]]] = {}
    for number, score in enumerate(column.scores.values()):
        for row in score.rows:
            verdict, quantile = right(row), row.get("others_quantile", row.get("quantile"))
            if verdict is None or not (type(quantile) is int or (quantile is None and row["truth"] is False)):
                continue
            values, latents = found.setdefault(quantile, ([], []))
            values.append(verdict)
            latents.append(number)
    order = sorted(found, key=lambda quantile: (quantile is None, quantile or 0))
    return tuple(_accuracy(quantile, *found[quantile]) for quantile in order)


def roc(column: Column) -> Roc | None:
    """The curve with its area; None without answers of both kinds that have a probability, or a value."""
    answers = _graded(column, "probability") or _graded(column, "value")
    truth = np.array([each[1] for each in answers], dtype=bool)
    if not truth.any() or truth.all():
        return None
    latent = np.unique([each[0] for each in answers], return_inverse=True)[1]
    probability = np.array([each[2] for each in answers])
    x, y = _curve(probability, truth)
    exact = float(auroc(probability, truth))
    return Roc(x, y, _area(latent, probability, truth, exact), len(answers))


def _graded(column: Column, field: str) -> list[tuple[int, bool, float]]:
    """Number of the latent, truth, and how much the answer says yes."""
    return [
        (number, row["truth"], grade)
        for number, score in enumerate(column.scores.values())
        for row in score.rows
        if type(row.get("truth")) is bool and (grade := finite(row.get(field))) is not None
    ]


def _accuracy(quantile: int | None, values: list[bool], latents: list[int]) -> Accuracy:
    share = bootstrap_mean(np.array(values, float), np.array(latents), draws(len(set(latents))))
    return Accuracy(quantile, share, len(values))


def _curve(
    probability: Float[np.ndarray, " answers"], truth: Bool[np.ndarray, " answers"]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    order = np.argsort(-probability, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(probability[order]) != 0, True])  # ties are one step
    hits, misses = np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]
    kept = np.unique(np.linspace(0, len(last) - 1, min(_POINTS, len(last))).round().astype(int))
    x, y = misses[kept] / (~truth).sum(), hits[kept] / truth.sum()
    return (0.0, *map(float, x)), (0.0, *map(float, y))


def _area(
    latent: Int[np.ndarray, " answers"],
    probability: Float[np.ndarray, " answers"],
    truth: Bool[np.ndarray, " answers"],
    exact: float,
) -> Interval:
    """Drawn over latents; where there are more different probabilities than bins, near ones count as ties."""
    ends = np.unique(np.quantile(probability, np.linspace(0, 1, _BINS), method="higher"))
    place, many = np.searchsorted(ends, probability), int(latent.max()) + 1
    cell = latent * len(ends) + place
    counts = [np.bincount(cell[side], minlength=many * len(ends)) for side in (truth, ~truth)]
    yes, no = (each.reshape(many, len(ends)).astype(float) for each in counts)

    def areas(weights: Float[np.ndarray, "draws latents"]) -> Float[np.ndarray, "draws 1"]:
        hits, misses = weights @ yes, weights @ no
        below = np.cumsum(misses, axis=1) - misses / 2
        pairs = hits.sum(1) * misses.sum(1)
        with np.errstate(invalid="ignore"):
            return ((hits * below).sum(1) / pairs)[:, None]

    (found,) = bootstrap_weights(areas, np.zeros(many, int), draws(many))
    return Interval(min(found.low, exact), exact, max(found.high, exact), found.level)
