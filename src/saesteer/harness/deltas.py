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
from saesteer.statistics import holm, sign_flip_test

_FLIPS: Final = 9_999
_AT_ONCE: Final = 2**25
"""Signs that a test holds at a time."""


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
    items: Mapping[str, float]
    """The value of each item, by its number; empty where the metric is no mean of items."""

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
    """How many were compared; 0 where the metric is no mean of items."""
    value: float
    stderr: float | None
    plain: float
    delta: float
    delta_stderr: float | None
    """Of the mean paired difference."""
    worse: int
    better: int
    """Items that changed for the worse, and for the better."""
    p: float | None
    """Two-sided, paired: McNemar's exact test where each item changes by the same amount, else sign flips."""
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
    changes = np.array([value - plain.items[item] for item, value in found.items.items()], dtype=float)
    gain = changes if found.higher_is_better else -changes
    return Delta(
        setting,
        spec,
        strength,
        *found.name,
        found.higher_is_better,
        len(changes),
        found.value,
        found.stderr,
        plain.value,
        found.value - plain.value,
        float(changes.std(ddof=1) / np.sqrt(len(changes))) if len(changes) > 1 else None,
        int((gain < 0).sum()),
        int((gain > 0).sum()),
        paired_p(changes) if len(changes) else None,
    )


def paired_p(changes: Float[np.ndarray, " items"]) -> float:
    """Two-sided p of no difference; items that did not change say nothing under any flip of signs."""
    moved = changes[changes != 0]
    if not len(moved):
        return 1.0
    if np.allclose(np.abs(moved), np.abs(moved[0])):  # right or wrong: the flips can be counted
        return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue)
    return sign_flip_test(moved, n=max(min(_FLIPS, _AT_ONCE // len(moved)), 999))
