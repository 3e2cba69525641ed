"""What steering did to one text at one strength, and what many such rows amount to. Knows no model.

Figures are of all texts together, so long texts count more; intervals draw whole texts, each with its rows of
all seeds. A number that the steered model could not compute is None in a row and infinite in a figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from saesteer.evaluation.drift import ratio_interval
from saesteer.evaluation.fluency import distinct_n
from saesteer.statistics import Interval, bootstrap_mean

Kind = Literal["read", "written"]


@dataclass(frozen=True)
class EffectRow:
    """One text at one strength: read by the steered model, or written by it, greedily."""

    strength: float
    kind: Kind
    item: int
    """Number of the text, or of the prompt."""
    prompt: str
    text: str
    tokens: int
    nats: float | None
    """-ln p of the text, summed: of a text that was read under the steered model, of one that was written
    under the plain one."""
    plain_nats: float | None = None
    """Of a text that was read, under the plain model."""
    measured: int | None = None
    """Tokens that the next six are sums over; a long text is cut for them."""
    kl: float | None = None
    reverse: float | None = None
    drift: float | None = None
    """Sum of |z' - z| over the off-target latents; None where no SAE measured."""
    drift_squared: float | None = None
    drift_plain: float | None = None
    """Sum of |z|."""
    left: int | None = None
    """Of a written text: its first token that differs from the plain model's; None: none does."""
    left_other: int | None = None
    """The same against the other reference, where there is one."""
    most: int | None = None
    """How many tokens were written at most."""
    repeated: float | None = None
    """Share of its trigrams of words that it said before; None where it has none."""
    longest: int | None = None
    """Words in its longest repeated stretch."""
    seed: int | None = None
    """Of what steered, where several seeds made different things; the same texts stand under each."""


@dataclass(frozen=True)
class EffectSummary:
    """One strength over all its texts."""

    strength: float
    read: int
    """Texts that were read."""
    written: int
    tokens: int
    """Of the texts that were read, each once."""
    figures: Mapping[str, Interval]
    """By the names of FIGURES; only what was measured."""
    distinct: Mapping[str, float]
    """distinct_1 and distinct_2 of all written texts, mean over seeds; no interval, since a text drawn twice
    lowers it.
    """


Rows = Sequence[EffectRow]
Figure = Callable[[Rows], Interval | None]


def _ratio(top: str, bottom: str, kind: Kind) -> Figure:
    def figure(rows: Rows) -> Interval | None:
        mine = [row for row in rows if row.kind == kind and getattr(row, bottom)]
        values = [getattr(row, top) for row in mine]
        if not mine or (top not in ("nats",) and all(each is None for each in values)):
            return None
        return _ratio_of(mine, [math.inf if each is None else each for each in values], bottom)

    return figure


def _ratio_of(rows: Rows, tops: Sequence[float], bottom: str) -> Interval:
    """sum(tops) over the sum of a field; the rows of one text are drawn together."""
    above, below = dict.fromkeys((row.item for row in rows), 0.0), dict.fromkeys((r.item for r in rows), 0.0)
    for row, top in zip(rows, tops, strict=True):
        above[row.item] += top
        below[row.item] += getattr(row, bottom)
    return ratio_interval([*above.values()], [*below.values()])


def _exp(figure: Figure) -> Figure:
    def raised(rows: Rows) -> Interval | None:
        found = figure(rows)
        if found is None:
            return None
        low, middle, high = (math.exp(min(each, 700.0)) for each in (found.low, found.estimate, found.high))
        return Interval(low, middle, high, found.level)

    return raised


def _added(rows: Rows) -> Interval | None:
    mine = [row for row in rows if row.kind == "read"]
    gaps = [
        math.inf if row.nats is None or row.plain_nats is None else row.nats - row.plain_nats for row in mine
    ]
    return _ratio_of(mine, gaps, "tokens") if mine else None


def _mean(value: Callable[[EffectRow], float | None]) -> Figure:
    def figure(rows: Rows) -> Interval | None:
        found = [(row.item, value(row)) for row in rows if row.kind == "written"]
        known = [(item, each) for item, each in found if each is not None]
        if not known:
            return None
        items, values = zip(*known, strict=True)
        return bootstrap_mean(np.array(values, dtype=float), np.array(items))

    return figure


FIGURES: Final[Mapping[str, Figure]] = {
    "perplexity": _exp(_ratio("nats", "tokens", "read")),
    "added_nats": _added,
    "kl": _ratio("kl", "measured", "read"),
    "reverse_kl": _ratio("reverse", "measured", "read"),
    "drift": _ratio("drift", "measured", "read"),
    "drift_squared": _ratio("drift_squared", "measured", "read"),
    "drift_share": _ratio("drift", "drift_plain", "read"),
    "first_divergence": _mean(lambda row: row.most if row.left is None else row.left),
    "never_diverges": _mean(lambda row: float(row.left is None)),
    "written_perplexity": _exp(_ratio("nats", "tokens", "written")),
    "repeated": _mean(lambda row: row.repeated),
    "longest_repeat": _mean(lambda row: row.longest),
}
"""Name -> figure of the rows of one strength; None where it was not measured."""
OTHER: Final[Mapping[str, Figure]] = {
    "first_divergence_other": _mean(lambda row: row.most if row.left_other is None else row.left_other),
    "never_diverges_other": _mean(lambda row: float(row.left_other is None)),
}
"""Those against the other reference."""


def summarised(rows: Rows, other: bool) -> EffectSummary:
    """The figures of one strength; `other`: also against the other reference."""
    table = {**FIGURES, **OTHER} if other else FIGURES
    found = {name: figure(rows) for name, figure in table.items()}
    read, written = ({row.item: row for row in rows if row.kind == kind} for kind in ("read", "written"))
    distinct = {f"distinct_{n}": value for n in (1, 2) if (value := _distinct(rows, n)) is not None}
    return EffectSummary(
        rows[0].strength,
        len(read),
        len(written),
        sum(row.tokens for row in read.values()),
        {name: each for name, each in found.items() if each is not None},
        distinct,
    )


def _distinct(rows: Rows, n: int) -> float | None:
    """Mean over seeds, since it falls with the amount of text."""
    texts: dict[int | None, list[str]] = {}
    for row in rows:
        if row.kind == "written":
            texts.setdefault(row.seed, []).append(row.text)
    found = [value for each in texts.values() if (value := distinct_n(each, n)) is not None]
    return float(np.mean(found)) if found else None


def known(row: EffectRow) -> EffectRow:
    """The row with None in place of what is no finite number."""
    odd = {
        name: None
        for name, value in vars(row).items()
        if isinstance(value, float) and not math.isfinite(value)
    }
    return replace(row, **odd) if odd else row  # type: ignore[arg-type]
