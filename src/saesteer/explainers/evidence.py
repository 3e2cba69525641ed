"""How well a word tells two sides apart: shrunken log odds, and how sure that is. Knows counts only.

Counts may be fractions: an occurrence may weigh as much as the latent is active there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_PRIOR = 2.0  # occurrences that are thought to have been seen on each side, spread as on both sides together
_NOUGHT = 1e-9  # what is left of a whole number of occurrences when weights are added


@dataclass(frozen=True)
class Evidence:
    """One word on two sides."""

    inside: float
    """Its share of the first side."""
    outside: float
    """Its share of the other."""
    log_odds: float
    """Of the first side against the other, shrunken towards 0 where there is little to see."""
    z: float
    """Signed root of the likelihood ratio: like a standard normal number where the sides are alike."""
    count: float
    """On the first side."""


def compared(
    inside: Mapping[str, float], n_inside: float, outside: Mapping[str, float], n_outside: float
) -> dict[str, Evidence]:
    """Every word of the first side; `n`: how often there could have been one."""
    return {
        word: _compared(count, n_inside, outside.get(word, 0.0), n_outside)
        for word, count in inside.items()
        if count > 0
    }


def _compared(one: float, n_one: float, other: float, n_other: float) -> Evidence:
    share = (one + other) / (n_one + n_other)
    seen, unseen = _PRIOR * share, _PRIOR * (1 - share) + _NOUGHT
    odds = math.log((one + seen) / (n_one - one + unseen))
    other_odds = math.log((other + seen) / (n_other - other + unseen))
    expected = (one + other) * n_one / (n_one + n_other), (one + other) * n_other / (n_one + n_other)
    ratio = 2 * sum(
        count * math.log(count / mean)
        for count, mean in (
            (one, expected[0]),
            (other, expected[1]),
            (n_one - one, n_one - expected[0]),
            (n_other - other, n_other - expected[1]),
        )
        if count > _NOUGHT
    )
    sign = 1 if one * n_other >= other * n_one else -1
    return Evidence(
        one / n_one,
        other / max(n_other, _NOUGHT),
        odds - other_odds,
        sign * math.sqrt(max(0.0, ratio)),
        one,
    )
