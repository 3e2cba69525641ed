"""What steering changed: each metric of each setting against the plain model, item by item.

Knows per-item values and statistics; neither lm_eval nor a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest

from saesteer.errors import InputError
from saesteer.harness.forms import FORMS, MEAN, Form, Parts, gives
from saesteer.statistics import holm, sign_flip_test

_FLIPS: Final = 9_999
_DRAWS: Final = 1_999
_AT_ONCE: Final = 2**25
"""Signs that a test holds at a time."""
Items = Float[np.ndarray, "items parts"]


@dataclass(frozen=True)
class Scores:
    """One metric of one task in one setting."""

    task: str
    filter: str
    metric: str
    value: float
    """As lm_eval reports it."""
    stderr: float | None
    higher_is_better: bool
    items: Mapping[str, Parts]
    """What each item adds to the sums of `form`, by its number; empty where no form gives the value."""
    form: str = ""
    """How the metric follows from its items: a name of FORMS."""

    @property
    def name(self) -> tuple[str, str, str]:
        return (self.task, self.filter, self.metric)


@dataclass(frozen=True)
class Delta:
    """A setting beside the plain model."""

    setting: str
    spec: str
    strength: float | None
    task: str
    filter: str
    metric: str
    higher_is_better: bool
    items: int
    """How many were compared; 0 where nobody knows how the metric follows from them."""
    value: float
    stderr: float | None
    plain: float
    delta: float
    delta_stderr: float | None
    """Of the paired difference: of the mean, or by a bootstrap over items where the metric is no mean."""
    worse: int
    better: int
    """Items that changed for the worse, and for the better."""
    p: float | None
    """Two-sided, paired: McNemar's exact test where each item changes by the same amount, else sign flips;
    where the metric is no mean, items swapped between the two settings."""
    p_holm: float | None = None
    """Adjusted for every row of the table."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def deltas(
    plain: Sequence[Scores], settings: Sequence[tuple[str, str, float | None, Sequence[Scores]]]
) -> list[Delta]:
    """A row for each metric of each setting (name, spec, strength, scores); p is adjusted over them all."""
    base = {each.name: each for each in plain}
    rows = []
    for setting, spec, strength, scores in settings:
        for each in scores:
            if each.name not in base:
                raise InputError(
                    f"{setting} has {' '.join(each.name)} and the plain model has not; rerun both"
                )
            rows.append(_delta(setting, spec, strength, each, base[each.name]))
    tested = [place for place, row in enumerate(rows) if row.p is not None]
    adjusted: Sequence[float] | Float[np.ndarray, " tests"] = (
        holm(np.array([rows[place].p for place in tested], dtype=float)) if tested else []
    )
    for place, p in zip(tested, adjusted, strict=True):
        rows[place] = replace(rows[place], p_holm=float(p))
    return rows


def _delta(setting: str, spec: str, strength: float | None, found: Scores, plain: Scores) -> Delta:
    if set(found.items) != set(plain.items):
        raise InputError(f"{setting}: {found.task} was run on other items than the plain model; rerun both")
    row = Delta(
        setting,
        spec,
        strength,
        *found.name,
        found.higher_is_better,
        len(found.items),
        found.value,
        found.stderr,
        plain.value,
        found.value - plain.value,
        None,
        0,
        0,
        None,
    )
    name = _common(found, plain)
    if not name:
        return replace(row, items=0)
    form, sides = FORMS[name], _sides(found, plain)
    goods = [np.array([form.good(tuple(each)) for each in side]) for side in sides]
    gain = goods[0] - goods[1]
    if name == MEAN and not found.higher_is_better:
        gain = -gain
    row = replace(row, worse=int((gain < 0).sum()), better=int((gain > 0).sum()))
    if name != MEAN:
        return replace(row, delta_stderr=_drawn_error(form, *sides), p=swapped_p(form, *sides))
    weights = sides[0][:, 1] / sides[0][:, 1].mean()
    changes = (goods[0] - goods[1]) * weights
    error = float(changes.std(ddof=1) / np.sqrt(len(changes))) if len(changes) > 1 else None
    return replace(row, delta_stderr=error, p=paired_p(changes))


def _common(found: Scores, plain: Scores) -> str:
    """The form of both; where a value fits several (an F1 of 0 is a correlation of 0), that of the other."""
    for name in dict.fromkeys(each.form for each in (plain, found) if each.form):
        if all(gives(FORMS[name], each.items, each.value) for each in (found, plain)):
            return name
    return ""


def _sides(found: Scores, plain: Scores) -> tuple[Items, Items]:
    """The items of both, in one order."""
    order = list(found.items)
    one, other = (np.array([each.items[item] for item in order], dtype=float) for each in (found, plain))
    return one, other


def _drawn_error(form: Form, one: Items, other: Items) -> float | None:
    """Standard error of the difference by a bootstrap over items; None of a single item."""
    if len(one) < 2:
        return None
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(one), np.full(len(one), 1 / len(one)), size=_DRAWS).astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        return _known(float(np.std(form.value(counts @ one) - form.value(counts @ other), ddof=1)))


def swapped_p(form: Form, one: Items, other: Items) -> float:
    """Two-sided p of no difference: each item's two values change places with probability one half."""
    rng, count = np.random.default_rng(0), max(min(_DRAWS, _AT_ONCE // len(one)), 999)
    swapped = rng.integers(0, 2, size=(count, len(one))).astype(float)
    keep = np.ones((1, len(one)))

    def gaps(kept: Float[np.ndarray, "draws items"]) -> Float[np.ndarray, " draws"]:
        return form.value(kept @ one + (1 - kept) @ other) - form.value(kept @ other + (1 - kept) @ one)

    with np.errstate(over="ignore", invalid="ignore"):
        found, drawn = np.abs(gaps(keep))[0], np.abs(gaps(swapped))
    return float((1 + np.sum(drawn >= found * (1 - 1e-9))) / (1 + count))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def paired_p(changes: Float[np.ndarray, " items"]) -> float:
    """Two-sided p of no difference; items that did not change say nothing under any flip of signs."""
    moved = changes[changes != 0]
    if not len(moved):
        return 1.0
    if np.allclose(np.abs(moved), np.abs(moved[0])):  # right or wrong: the flips can be counted
        return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue)
    return sign_flip_test(moved, n=max(min(_FLIPS, _AT_ONCE // len(moved)), 999))
