"""How far judges agree on the rows of one sweep: two by two, and all together. Knows judgements and rows.

Kappa is Cohen's with squared distances (Cohen 1968) on levels cut at stated thresholds, and on two levels cut
at one half; alpha is Krippendorff's for numbers. Intervals draw whole prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError
from saesteer.evaluation.judgements import RowJudgement
from saesteer.evaluation.rating import TAKEN_BACK
from saesteer.evaluation.rows import Row
from saesteer.evaluation.weighted import alpha, kappa, pearson, ranks, within
from saesteer.statistics import Interval, bootstrap_weights

THRESHOLDS: Final = (0.125, 0.375, 0.625, 0.875)
"""Levels are the quarters that figures are nearest to: shares of few sentences seldom lie on a cut."""
FEWEST: Final = 3
"""Rows below which an agreement says nothing."""
DRAWS: Final = 1000
Values = Mapping[str, float]
"""Row id -> figure."""


@dataclass(frozen=True)
class Disagreement:
    """A row of which two judges say different things."""

    row: Row
    one: float
    other: float


@dataclass(frozen=True)
class PairAgreement:
    """Two judges on one figure, over the rows that both judged."""

    figure: str
    one: str
    other: str
    rows: int
    prompts: int
    pearson: Interval | None
    """None with too few rows, or where a judge says the same of all; so with the others."""
    spearman: Interval | None
    kappa: Interval | None
    """On the levels between the thresholds."""
    kappa_half: Interval | None
    """On two levels, below and from one half."""
    gap: Interval
    """Mean of the first judge's figure minus the other's."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows of the table: levels of the first judge, the lowest first."""
    worst: tuple[Disagreement, ...]


@dataclass(frozen=True)
class Agreement:
    """All judges of a sweep."""

    thresholds: tuple[float, ...]
    judges: Mapping[str, Mapping[str, int]]
    """Judge -> how many rows it judged, by figure, and how many failed."""
    pairs: tuple[PairAgreement, ...]
    alphas: Mapping[str, Interval | None]
    """Of all judges together, by figure."""


def agreement(
    rows: Sequence[Row],
    judgements: Sequence[RowJudgement],
    figures: Sequence[str] = (),
    thresholds: Sequence[float] = THRESHOLDS,
    worst: int = 5,
    seed: int = 0,
) -> Agreement:
    """Every two judges on every figure that both give (or on `figures`)."""
    cuts = tuple(float(each) for each in thresholds)
    if not cuts or list(cuts) != sorted(set(cuts)) or not all(0 < each <= 1 for each in cuts):
        raise InputError(f"thresholds rise between 0 and 1, got {list(thresholds)}; try {list(THRESHOLDS)}")
    known = {row.id: row for row in rows}
    judgements = [each for each in judgements if each.row in known and each.error != TAKEN_BACK]
    table = _table(judgements)
    if len(table) < 2:
        raise InputError(
            f"agreement is between two judges at least, got {', '.join(table) or 'none'}; "
            "judge or rate the same rows once more"
        )
    given = list(dict.fromkeys(name for values in table.values() for name in values))
    asked = list(figures) or given
    for name in asked:
        if name not in given:
            raise InputError(f"no judge gives the figure {name!r}; there are {', '.join(given)}")
    pairs = tuple(
        found
        for name in asked
        for one, other in combinations(table, 2)
        if (found := _pair(name, one, other, table, known, cuts, worst, seed)) is not None
    )
    return Agreement(
        cuts, _counts(judgements, table), pairs, {n: _alpha(table, n, known, seed) for n in asked}
    )


def _table(judgements: Sequence[RowJudgement]) -> dict[str, dict[str, dict[str, float]]]:
    """Judge -> figure -> row id -> value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for each, label in zip(judgements, _labels(judgements), strict=True):
        values = found.setdefault(label, {})
        if each.error is None:
            for name, value in each.figures.items():
                values.setdefault(name, {})[each.row] = value
    return found


def _labels(judgements: Sequence[RowJudgement]) -> list[str]:
    """Each one's judge; judges of one name are told apart by their fingerprints."""
    names: dict[str, set[str]] = {}
    for each in judgements:
        names.setdefault(each.judge, set()).add(each.fingerprint)
    return [
        f"{each.judge} {each.fingerprint[:6]}" if len(names[each.judge]) > 1 else each.judge
        for each in judgements
    ]


def _counts(
    judgements: Sequence[RowJudgement], table: Mapping[str, Mapping[str, Values]]
) -> dict[str, dict[str, int]]:
    failed: dict[str, int] = {}
    for each, label in zip(judgements, _labels(judgements), strict=True):
        if each.error is not None:
            failed[label] = failed.get(label, 0) + 1
    return {
        label: {name: len(rows) for name, rows in values.items()} | {"failed": failed.get(label, 0)}
        for label, values in table.items()
    }


def _pair(
    figure: str,
    one: str,
    other: str,
    table: Mapping[str, Mapping[str, Values]],
    rows: Mapping[str, Row],
    cuts: tuple[float, ...],
    worst: int,
    seed: int,
) -> PairAgreement | None:
    """None where one of the two does not give the figure, or they share no row."""
    first, second = table[one].get(figure, {}), table[other].get(figure, {})
    both = [row for row in first if row in second]
    if not both:
        return None
    x, y = (np.array([values[row] for row in both]) for values in (first, second))
    levels = [np.digitize(each, cuts) for each in (x, y)]
    halves = [(each >= 0.5).astype(int) for each in (x, y)]
    prompts = _prompts([rows[row] for row in both])

    def drawn(weights: Float[np.ndarray, "draws prompts"]) -> Float[np.ndarray, "draws figures"]:
        each = weights[:, prompts]
        found = [
            pearson(each, x, y),
            pearson(each, ranks(each, x), ranks(each, y)),
            kappa(each, levels[0], levels[1], len(cuts) + 1),
            kappa(each, halves[0], halves[1], 2),
            (each @ (x - y)) / each.sum(1),
        ]
        return np.stack(found, axis=1)

    count = int(prompts.max()) + 1
    *agreed, gap = bootstrap_weights(drawn, np.zeros(count, int), _draws(len(both)), seed=seed)
    one_to_one, by_rank, level, half = (_told(each, len(both)) for each in agreed)
    confusion = np.zeros((len(cuts) + 1,) * 2, int)
    np.add.at(confusion, (levels[0], levels[1]), 1)
    return PairAgreement(
        figure=figure,
        one=one,
        other=other,
        rows=len(both),
        prompts=count,
        pearson=one_to_one,
        spearman=by_rank,
        kappa=level,
        kappa_half=half,
        gap=gap,
        confusion=tuple(tuple(map(int, line)) for line in confusion),
        worst=_worst(both, x, y, rows, worst),
    )


def _worst(
    both: Sequence[str],
    x: Float[np.ndarray, " rows"],
    y: Float[np.ndarray, " rows"],
    rows: Mapping[str, Row],
    most: int,
) -> tuple[Disagreement, ...]:
    """The widest apart first, each text once."""
    found: dict[str, Disagreement] = {}
    for place in np.argsort(-np.abs(x - y), kind="stable"):
        row = rows[both[place]]
        if x[place] != y[place]:
            found.setdefault(row.text, Disagreement(row, float(x[place]), float(y[place])))
        if len(found) == most:
            break
    return tuple(found.values())


def _alpha(
    table: Mapping[str, Mapping[str, Values]], figure: str, rows: Mapping[str, Row], seed: int
) -> Interval | None:
    columns = [values[figure] for values in table.values() if figure in values]
    ids = [row for row in rows if sum(row in column for column in columns) > 1]
    if len(columns) < 2 or len(ids) < FEWEST:
        return None
    values = np.array([[column.get(row, np.nan) for column in columns] for row in ids])
    prompts = _prompts([rows[row] for row in ids])
    (found,) = bootstrap_weights(
        lambda weights: alpha(weights[:, prompts], values)[:, None],
        np.zeros(prompts.max() + 1, int),
        _draws(len(ids)),
        seed=seed,
    )
    return _told(found, len(ids))


def _prompts(rows: Sequence[Row]) -> np.ndarray:
    """The number of each row's prompt."""
    names = {name: number for number, name in enumerate(dict.fromkeys(row.prompt_id for row in rows))}
    return np.array([names[row.prompt_id] for row in rows])


def _draws(rows: int) -> int:
    """Fewer of very many rows, which are held at once."""
    return max(200, min(DRAWS, 20_000_000 // rows))


def _told(interval: Interval, rows: int) -> Interval | None:
    return None if rows < FEWEST or not np.isfinite(interval.estimate) else within(interval)
