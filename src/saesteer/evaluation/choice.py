"""Choose a setting on one half of the prompts and report on the other. Knows rows; no model, no judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation.figures import Figures, difference, figures, judged, known
from saesteer.evaluation.result import Summary, SweepResult
from saesteer.evaluation.rows import Row, Setting
from saesteer.statistics import Interval, bootstrap_ratio

Aim = Literal["more", "less"]


@dataclass(frozen=True)
class Choice:
    """The setting that was chosen, or why there is none."""

    setting: Setting | None
    reason: str
    coherence: float
    """The coherence that was asked for."""
    candidates: tuple[Summary, ...]
    """All settings on the selection half."""


@dataclass(frozen=True)
class Outcome:
    """What the chosen setting does on prompts that had no say in choosing it."""

    setting: Setting
    figures: Figures
    base: Figures
    """The model as it is: strength 0, no prefix."""
    ratio: Interval
    """Behaviour over the base rate; infinite where the base never shows the concept."""
    lift: Interval
    """Behaviour minus the base rate."""


def choose(result: SweepResult, coherence: float = 0.8, aim: Aim = "more") -> Choice:
    """The setting with the highest mean behaviour among those that keep `coherence`, on the selection half.

    `aim`: with "less" the lowest, for what is to be steered away, such as toxicity.
    One concept and one method at a time (`result.where`). Of equals the weakest is taken. The chosen
    figure is the best of many and flatters itself: `report` measures it again.
    """
    sign = check_aim(aim)
    if not 0 <= coherence <= 1:
        raise InputError(f"coherence lies between 0 and 1, got {coherence}; try 0.8")
    if len({(row.concept, row.method) for row in result.rows}) != 1:
        raise InputError("a choice is made for one concept and one method; narrow with .where(...)")
    candidates = tuple(each for each in result.summary if each.half == "selection")
    if not candidates:
        raise SaesteerError(_why_none(result))
    good = [each for each in candidates if keeps(each.figures, coherence)]
    if not good:
        best = max(candidates, key=lambda each: known(each.figures.coherence).estimate)
        reached = f"{known(best.figures.coherence).estimate:.2f} at strength {best.setting.strength:g}"
        reason = f"no setting keeps a coherence of {coherence:g} (the best: {reached})"
        return Choice(None, reason, coherence, candidates)
    chosen = max(good, key=lambda each: (sign * each.figures.behaviour.estimate, -abs(each.setting.strength)))
    way = "highest" if sign > 0 else "lowest"
    reason = f"{way} behaviour of {len(good)} settings with a coherence of {coherence:g} or more"
    return Choice(chosen.setting, reason, coherence, candidates)


def check_aim(aim: str) -> int:
    """1 where more of a behaviour is wanted, -1 where less; InputError where it is neither."""
    if aim not in get_args(Aim):
        raise InputError(f"aim is more or less of the behaviour, got {aim!r}")
    return 1 if aim == "more" else -1


def keeps(found: Figures, coherence: float) -> bool:
    """Whether the coherence is that high; 0 asks for none, whoever judged it."""
    return coherence <= 0 or known(found.coherence).estimate >= coherence


def report(result: SweepResult, setting: Setting, base: SweepResult | Sequence[Row]) -> Outcome:
    """The figures of a chosen setting on the test half, beside the base rate of its concept.

    The base is not tuned to anything, so all its samples count. Intervals draw whole prompts.
    """
    rows = [row for row in result.rows if row.setting == setting and row.half == "test"]
    if not rows:
        raise InputError(f"{setting} has no samples in the test half; sweep it with two prompts or more")
    others = base.rows if isinstance(base, SweepResult) else base
    plain = [row for row in others if row.concept == setting.concept]
    if not plain:
        raise InputError(f"the base has no samples judged for {setting.concept!r}; run baseline for it")
    above, below = judged(rows), judged(plain)
    ratio = bootstrap_ratio(
        *([row.behaviour for row in part] for part in (above, below)),  # type: ignore[arg-type]
        *([row.prompt_id for row in part] for part in (above, below)),  # type: ignore[arg-type]
    )
    return Outcome(setting, figures(rows), figures(plain), ratio, difference(rows, plain))


def _why_none(result: SweepResult) -> str:
    failed = [row for row in result.failed if row.half == "selection"]
    if failed:
        return f"all {len(failed)} judgements to choose by failed ({failed[0].error}); mend the judge"
    return "the selection half is empty; sweep with two prompts or more"
