"""How many prompts a claim of some size needs. Knows numbers; no row and no model.

Two settings write m and k texts after each of P prompts. The difference of a prompt's two means has the
variance s^2 = between^2 + one^2 / m + other^2 / k: `between` is how differently prompts take the change,
`one` and `other` how much the texts of one prompt vary. That is the variance in the sample-size formula of
Miller (2024, "Adding Error Bars to Evals", arXiv 2411.00640). The power to see a true mean difference d at
level alpha, two-sided, is that of the paired t test: its statistic is noncentral t with P - 1 degrees of
freedom and shift d sqrt(P) / s (Cohen 1988, "Statistical Power Analysis"), where the normal formula,
P = (z(1 - alpha / 2) + z(power))^2 s^2 / d^2, is too hopeful for few prompts.

Limits: differences of prompts are taken to be about normal, prompts to be drawn from those that are meant.
The spread is an estimate: of 8 prompts s is uncertain by a quarter, and the number by a half. An
effect that was picked because it is large is smaller the next time, so more are needed than is said here.
Several claims at once need the corrected alpha. Differences are tested by flips of their signs
(`sign_flip_test`), of which P pairs have 2^P: fewer than `fewest_pairs` show nothing at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from scipy.special import nctdtr, stdtrit

from saesteer.errors import InputError
from saesteer.statistics.samples import numbers

_MOST: Final = 10**9
_LARGE: Final = 30.0  # standard deviations beyond which two pairs are enough


@dataclass(frozen=True)
class PairSpread:
    """Standard deviations that decide how sure a difference of two settings is."""

    between: float
    """Of the true difference, from prompt to prompt."""
    one: float
    """Of the texts of one prompt, in the first setting."""
    other: float

    def of_difference(self, samples_one: float, samples_other: float) -> float:
        """Of a prompt's difference of means with so many texts each."""
        return math.sqrt(
            self.between**2 + self.one**2 / max(samples_one, 1) + self.other**2 / max(samples_other, 1)
        )


@dataclass(frozen=True)
class PowerNote:
    """What the observed spread says of a claim's size."""

    effect: float
    """The difference that is claimed."""
    spread: PairSpread
    prompts: int
    """As many as were seen."""
    samples_one: float
    """Texts per prompt."""
    samples_other: float
    needed: int | None
    """Prompts, with as many texts each, to see that effect; None where it is 0, or beyond counting."""
    smallest: float | None
    """The smallest difference that the prompts seen can show; None of too few for any."""
    alpha: float
    power: float

    @property
    def samples(self) -> int | None:
        """Texts of both settings together that are needed."""
        per_prompt = self.samples_one + self.samples_other
        return None if self.needed is None else math.ceil(self.needed * per_prompt)

    def needed_at(self, alpha: float) -> int | None:
        """The same under another alpha, such as 0.05 by the number of comparisons."""
        sd = self.spread.of_difference(self.samples_one, self.samples_other)
        return _needed(self.effect, sd, alpha, self.power)

    @property
    def sentence(self) -> str:
        """The note in words."""
        shown = "" if self.smallest is None else f"; {self.prompts} prompts show {self.smallest:.2g} or more"
        if self.needed is None:
            return f"no number of prompts shows a difference of {self.effect:.2g}{shown}"
        return (
            f"to show a difference of {self.effect:.2g} at {self.alpha:g} with a chance of {self.power:.0%} "
            f"takes {self.needed} prompts ({self.samples} texts){shown}"
        )


def pair_spread(one: Any, one_groups: Any, other: Any, other_groups: Any) -> PairSpread:
    """The spread of two samples over the prompts (groups) that both have, by the method of moments.

    `one` and `other` are pooled variances within prompts; `between`^2 is the variance of the prompts'
    differences less what the texts' own variance adds, at least 0. With one text per prompt all of it is
    counted as between.
    """
    first, second = _by_group(one, one_groups), _by_group(other, other_groups)
    shared = sorted(set(first) & set(second))
    if len(shared) < 2:
        raise InputError(f"a spread is of two prompts at least, got {len(shared)} in both; give more prompts")
    tops, bottoms = [first[each] for each in shared], [second[each] for each in shared]
    top, bottom = _within(tops), _within(bottoms)
    gaps = np.array([a.mean() - b.mean() for a, b in zip(tops, bottoms, strict=True)])
    own = np.mean([top / len(a) + bottom / len(b) for a, b in zip(tops, bottoms, strict=True)])
    between = math.sqrt(max(0.0, float(gaps.var(ddof=1) - own)))
    return PairSpread(between, math.sqrt(top), math.sqrt(bottom))


def power_of_pairs(effect: float, sd: float, pairs: int, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t test of so many pairs finds a true mean difference."""
    _check(sd, alpha)
    if pairs < 2:
        return 0.0
    size = abs(effect) / sd if sd > 0 else (math.inf if effect else 0.0)
    if size > _LARGE:
        return 1.0
    shift, edge = size * math.sqrt(pairs), float(stdtrit(pairs - 1, 1 - alpha / 2))
    if shift > edge + 40:
        return 1.0
    # nctdtr has no number for what is too small to be one
    below, under = np.nan_to_num(nctdtr(pairs - 1, shift, np.array([edge, -edge])), nan=0.0)
    return float(1 - below + under)


def pairs_needed(effect: float, sd: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The smallest number of pairs with that power; None where there is none below a thousand million."""
    _check(sd, alpha, power)
    if effect == 0 or not math.isfinite(effect):
        return None
    high = 2
    while power_of_pairs(effect, sd, high, alpha) < power:
        high *= 2
        if high > _MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of_pairs(effect, sd, middle, alpha) >= power else (middle, high)
    return high


def fewest_pairs(alpha: float = 0.05) -> int:
    """The smallest number of pairs of which a two-sided test by flips of signs can have p of `alpha`."""
    _check(0.0, alpha, (1 + alpha) / 2)
    return 1 + math.ceil(-math.log2(alpha) - 1e-9)


def smallest_effect(sd: float, pairs: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest mean difference that so many pairs find with that power; None for fewer than two."""
    _check(sd, alpha, power)
    if pairs < 2:
        return None
    low, high = 0.0, _LARGE * sd
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of_pairs(middle, sd, pairs, alpha) >= power else (middle, high)
    return high


def power_note(
    one: Any,
    one_groups: Any,
    other: Any,
    other_groups: Any,
    *,
    effect: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PowerNote:
    """What a claim of `effect` needs, by the spread of these samples; None: the difference they show."""
    spread = pair_spread(one, one_groups, other, other_groups)
    first, second = _by_group(one, one_groups), _by_group(other, other_groups)
    shared = sorted(set(first) & set(second))
    seen = float(np.mean([first[each].mean() - second[each].mean() for each in shared]))
    claimed = seen if effect is None else float(effect)
    # Unequal numbers count by their harmonic mean: variances fall with 1 / n.
    counts = [len(shared) / sum(1 / len(side[each]) for each in shared) for side in (first, second)]
    sd = spread.of_difference(*counts)
    needed = _needed(claimed, sd, alpha, power)
    smallest = None if len(shared) < fewest_pairs(alpha) else smallest_effect(sd, len(shared), alpha, power)
    return PowerNote(claimed, spread, len(shared), counts[0], counts[1], needed, smallest, alpha, power)


def _needed(effect: float, sd: float, alpha: float, power: float) -> int | None:
    """Of which flips of signs can have p of `alpha`, too."""
    found = pairs_needed(effect, sd, alpha, power)
    return None if found is None else max(found, fewest_pairs(alpha))


def _by_group(values: Any, groups: Any) -> dict[Any, Float[np.ndarray, " rows"]]:
    found = numbers(values, "values")
    names = np.asarray(groups)
    if len(names) != len(found):
        raise InputError(f"{len(found)} values have {len(names)} groups; give one group per value")
    return {name: found[names == name] for name in np.unique(names).tolist()}


def _within(groups: list[Float[np.ndarray, " rows"]]) -> float:
    """Pooled variance within the groups; 0 where each has one value."""
    freedom = sum(len(each) - 1 for each in groups)
    return sum(float(((each - each.mean()) ** 2).sum()) for each in groups) / freedom if freedom else 0.0


def _check(sd: float, alpha: float, power: float = 0.5) -> None:
    if not (math.isfinite(sd) and sd >= 0):
        raise InputError(f"a standard deviation is a finite number from 0 on, got {sd}")
    if not (0 < alpha < 1 and alpha < power < 1):
        raise InputError(f"alpha and power lie between 0 and 1, power above alpha, got {alpha} and {power}")
