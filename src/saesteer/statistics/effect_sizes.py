"""How large a difference is, apart from how sure it is. Knows numbers; no test and no interval."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from saesteer.statistics.samples import numbers


def cohen_d_paired(differences: Float[np.ndarray, " pairs"]) -> float:
    """Cohen's d of pairs, d_z: mean of the differences over their standard deviation (n - 1).

    0 where the mean is 0; infinite where all differences are one number other than 0.
    """
    values = numbers(differences, "differences")
    mean = math.fsum(values) / len(values)
    if mean == 0:
        return 0.0
    spread = float(values.std(ddof=1)) if len(values) > 1 and np.ptp(values) > 0 else 0.0
    return mean / spread if spread else math.copysign(math.inf, mean)


def cliffs_delta(one: Float[np.ndarray, " rows"], other: Float[np.ndarray, " others"]) -> float:
    """Cliff's delta: the chance that a value of `one` is above one of `other`, minus the chance that it is
    below; from -1 to 1. It knows no pairs.
    """
    above, below = numbers(one, "values"), np.sort(numbers(other, "values"))
    wins = np.searchsorted(below, above, "left").sum()
    losses = (len(below) - np.searchsorted(below, above, "right")).sum()
    return float(int(wins) - int(losses)) / (len(above) * len(below))


def rank_biserial(differences: Float[np.ndarray, " pairs"]) -> float:
    """Rank-biserial correlation of pairs: the ranks of rises minus those of falls over all ranks, -1 to 1.

    Ranks are of the sizes of the differences, as in Wilcoxon's test; pairs without a difference are left out,
    and where there is no other it is 0.
    """
    values = numbers(differences, "differences")
    values = values[values != 0]
    if not len(values):
        return 0.0
    _, place, ties = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    return float((ranks * np.sign(values)).sum() / ranks.sum())
