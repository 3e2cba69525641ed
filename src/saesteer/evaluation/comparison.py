"""Two settings on the same prompts: difference, tests, effect sizes and what a claim needs.

Knows rows; no model, no judge. A prompt's difference is that of the means of its samples, so that a prompt
counts once, however many samples it has; intervals and tests draw and flip whole prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation.rows import Half, Row, Setting
from saesteer.statistics import (
    Interval,
    PowerNote,
    bootstrap_mean,
    cliffs_delta,
    cohen_d_paired,
    holm,
    power_note,
    rank_biserial,
    sign_flip_test,
)

_DRAWS: Final = 2000
_FLIPS: Final = 9999


def _product(row: Row) -> float | None:
    return None if row.behaviour is None or row.coherence is None else row.behaviour * row.coherence


FIGURES: Final[Mapping[str, Callable[[Row], float | None]]] = {
    "behaviour": lambda row: row.behaviour,
    "coherence": lambda row: row.coherence,
    "lenient": lambda row: row.lenient,
    "mean_product": _product,
    "nll": lambda row: row.nll,
}
"""Figures of one sample that are compared; beside them every criterion of a judge by its name."""


@dataclass(frozen=True)
class Comparison:
    """One setting against another on prompts that both have, of one half."""

    one: Setting
    other: Setting
    figure: str
    half: Half
    prompts: int
    """Pairs: prompts with a judged sample in both settings."""
    samples: tuple[int, int]
    """Judged samples of each setting on these prompts."""
    failed: tuple[int, int]
    """Samples whose judgement failed; they count nowhere else."""
    unpaired: int
    """Prompts that only one of the two has, failures included; they are left out."""
    difference: Interval
    """Mean over prompts of one minus other."""
    p: float
    """Two-sided, by flipping the signs of prompts' differences; of n prompts never below 2 / 2^n."""
    p_adjusted: float | None
    """Holm's, over the comparisons that were made together; None for one that was made alone."""
    cohens_d: float
    """Of pairs: mean difference over its standard deviation from prompt to prompt."""
    rank_biserial: float
    """Of pairs: ranks of rises minus ranks of falls, -1 to 1."""
    cliffs_delta: float
    """Over prompts' means, without their pairing: the chance of more minus that of less."""
    power: PowerNote | None
    """What a difference of the observed size needs; None of a single prompt."""
    seeds: int = 1
    """Different seeds of the writing among the samples of both."""

    def __str__(self) -> str:
        gap = self.difference
        p = f"p {self.p:.3g}" + ("" if self.p_adjusted is None else f", of Holm {self.p_adjusted:.3g}")
        note = "" if self.power is None else f"; {self.power.sentence}"
        return (
            f"{self.figure} {gap.estimate:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}], {p}, "
            f"d {self.cohens_d:.2f}, {self.prompts} prompts, {sum(self.samples)} samples, "
            f"{sum(self.failed)} failed{note}"
        )


def compare_rows(
    rows: Sequence[Row],
    one: Setting,
    other: Setting,
    figure: str = "behaviour",
    *,
    half: Half | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """`one` minus `other` in `figure`, on the prompts of one half.

    `half`: which; None where the rows are of one half alone. What was chosen on the selection half looks
    better there than it is, so both are never taken together.
    """
    kept = _of_half([row for row in rows if row.setting in (one, other)], half)
    first, second = (_values(kept, setting, figure) for setting in (one, other))
    shared = sorted(set(first) & set(second))
    if not shared:
        raise InputError(f"{one} and {other} share no judged prompt; sweep both with the same prompts")
    tops, bottoms = (np.array([np.mean(side[each]) for each in shared]) for side in (first, second))
    gaps = tops - bottoms
    asked = {row.prompt_id for row in kept}
    return Comparison(
        one=one,
        other=other,
        figure=figure,
        half=kept[0].half,
        prompts=len(shared),
        samples=(sum(len(first[each]) for each in shared), sum(len(second[each]) for each in shared)),
        failed=(_failed(kept, one), _failed(kept, other)),
        unpaired=len(asked) - len(shared),
        difference=bootstrap_mean(gaps, None, _DRAWS, level, seed),
        p=sign_flip_test(gaps, _FLIPS, seed),
        p_adjusted=None,
        cohens_d=cohen_d_paired(gaps),
        rank_biserial=rank_biserial(gaps),
        cliffs_delta=cliffs_delta(tops, bottoms),
        power=_power(first, second, shared),
        seeds=len({row.seed for row in kept if row.ok and row.prompt_id in shared}),
    )


def compare_rows_with(
    rows: Sequence[Row],
    base: Setting,
    others: Sequence[Setting],
    figure: str = "behaviour",
    *,
    half: Half | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Each of `others` minus `base`; p-values also as Holm corrects them for so many comparisons."""
    if not others:
        raise InputError("there is nothing to compare with the base; give at least one other setting")
    found = [
        compare_rows(rows, each, base, figure, half=half, level=level, seed=seed + number)
        for number, each in enumerate(others)
    ]
    adjusted = holm(np.array([each.p for each in found]))
    return tuple(replace(each, p_adjusted=float(value)) for each, value in zip(found, adjusted, strict=True))


def _of_half(rows: Sequence[Row], half: Half | None) -> list[Row]:
    if half not in (None, "selection", "test"):
        raise InputError(f"half is 'selection', 'test' or None, got {half!r}")
    there = {row.half for row in rows}
    if half is None and len(there) > 1:
        raise InputError("these samples are of both halves of the prompts; give half='test'")
    kept = [row for row in rows if half in (None, row.half)]
    if not kept:
        raise InputError(f"the two settings have no samples in the {half or 'sweep'}; see result.settings")
    return kept


def _values(rows: Sequence[Row], setting: Setting, figure: str) -> dict[str, list[float]]:
    """Prompt -> the figure of its judged samples."""
    mine = [row for row in rows if row.setting == setting]
    if not mine:
        raise InputError(f"there are no samples of {setting}; see result.settings")
    good = [row for row in mine if row.ok]
    if not good:
        raise SaesteerError(f"all {len(mine)} judgements of {setting} failed ({mine[0].error}); rerun")
    found: dict[str, list[float]] = {}
    for row in good:
        value = FIGURES[figure](row) if figure in FIGURES else row.others.get(figure)
        if value is not None:
            found.setdefault(row.prompt_id, []).append(float(value))
    if not found:
        told = ", ".join([*FIGURES, *good[0].others])
        raise InputError(f"no sample of {setting} has the figure {figure!r}; there may be {told}")
    return found


def _failed(rows: Sequence[Row], setting: Setting) -> int:
    return sum(row.setting == setting and not row.ok for row in rows)


def _power(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], shared: Sequence[str]
) -> PowerNote | None:
    if len(shared) < 2:
        return None
    sides = [_flat(side, shared) for side in (first, second)]
    return power_note(*sides[0], *sides[1])


def _flat(
    side: Mapping[str, Sequence[float]], shared: Sequence[str]
) -> tuple[Float[np.ndarray, " rows"], list[str]]:
    values = [value for each in shared for value in side[each]]
    return np.array(values), [each for each in shared for _ in side[each]]
