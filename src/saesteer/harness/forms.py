"""How a metric follows from its items: sums over items of a few numbers, and what is computed of the sums.

Knows formulas and per-item values as lm_eval logs them; imports no lm_eval. Which form a metric has is not
taken from its name: it is the one that gives the value that lm_eval reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

Parts = tuple[float, ...]
Sums = Float[np.ndarray, "draws parts"]


@dataclass(frozen=True)
class Form:
    """One way from items to a metric."""

    parts: Callable[[Any], Parts | None]
    """Of an item's logged value; None where it is of another form."""
    value: Callable[[Sums], Float[np.ndarray, " draws"]]
    """Of the parts, summed over items."""
    good: Callable[[Parts], float]
    """How good one item is by itself, more is better; it says which items changed and in which way."""
    width: int = 2
    """How many parts."""


def _number(value: Any) -> float | None:
    fine = isinstance(value, int | float | np.number) and math.isfinite(value)
    return float(value) if fine else None


def _pair(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    one, other = (_number(each) for each in value)
    return None if one is None or other is None else (one, other)


def _alone(value: Any) -> Parts | None:
    found = _number(value)
    return None if found is None else (found, 1.0)


def _weighted(value: Any) -> Parts | None:
    """A log-likelihood and how many words or bytes it is of."""
    found = _pair(value)
    return found if found is not None and found[1] > 0 else None


def _labels(value: Any) -> Parts | None:
    """From a true and a given label of 0 or 1: true positives, false ones, missed ones, true negatives."""
    found = _pair(value)
    if found is None or not set(found) <= {0.0, 1.0}:
        return None
    true, given = found
    return (true * given, (1 - true) * given, true * (1 - given), (1 - true) * (1 - given))


def _ratio(sums: Sums) -> Float[np.ndarray, " draws"]:
    return sums[:, 0] / sums[:, 1]


def _f1(sums: Sums) -> Float[np.ndarray, " draws"]:
    hits, wrong, missed, _ = sums.T
    below = 2 * hits + wrong + missed
    return np.divide(2 * hits, below, out=np.zeros_like(below), where=below > 0)


def _matthews(sums: Sums) -> Float[np.ndarray, " draws"]:
    hits, wrong, missed, rest = sums.T
    below = np.sqrt((hits + wrong) * (hits + missed) * (rest + wrong) * (rest + missed))
    return np.divide(hits * rest - wrong * missed, below, out=np.zeros_like(below), where=below > 0)


MEAN: Final = "mean"
FORMS: Final[Mapping[str, Form]] = {
    MEAN: Form(_alone, _ratio, lambda parts: parts[0] / parts[1]),
    "perplexity": Form(_alone, lambda sums: np.exp(-_ratio(sums)), lambda parts: parts[0] / parts[1]),
    "weighted_perplexity": Form(
        _weighted, lambda sums: np.exp(-_ratio(sums)), lambda parts: parts[0] / parts[1]
    ),
    "bits_per_byte": Form(
        _weighted, lambda sums: -_ratio(sums) / math.log(2), lambda parts: parts[0] / parts[1]
    ),
    "f1": Form(_labels, _f1, lambda parts: parts[0] + parts[3], 4),
    "matthews_corrcoef": Form(_labels, _matthews, lambda parts: parts[0] + parts[3], 4),
}
"""In the order in which they are tried."""


def form_of(items: Mapping[str, Any], value: float) -> tuple[str, dict[str, Parts]]:
    """The form that gives `value`, and the parts of each item; ("", {}) where none does."""
    for name, form in FORMS.items():
        parts = {item: form.parts(each) for item, each in items.items()}
        known = {item: each for item, each in parts.items() if each is not None}
        if known and len(known) == len(parts) and gives(form, known, value):
            return name, known
    return "", {}


def gives(form: Form, parts: Mapping[str, Sequence[float]], value: float) -> bool:
    """Whether the metric of these items is `value`."""
    table = np.array(list(parts.values()), dtype=float)
    if table.shape != (len(parts), form.width):  # none, or parts of another form
        return False
    with np.errstate(over="ignore"):
        found = float(form.value(table.sum(0)[None])[0])
    return math.isclose(found, value, rel_tol=1e-6, abs_tol=1e-9)
