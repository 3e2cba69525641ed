"""From sweeps to the records of a report: choose, measure, pick texts to show. Knows no drawing."""

from __future__ import annotations

from saesteer.evaluation import BARE, SweepResult, choose, figures
from saesteer.evaluation import report as measure
from saesteer.evaluation.choice import Aim
from saesteer.evaluation.figures import known
from saesteer.evaluation.rows import Row, Setting
from saesteer.report import words
from saesteer.report.records import MethodResult, Pair, Point, Role

SHOWN = 3


def method_result(
    result: SweepResult,
    base: SweepResult,
    *,
    label: str,
    role: Role,
    rows: str,
    tried: str,
    coherence: float = 0.8,
    unit: str = "",
    goal: float | None = None,
    shown: int = SHOWN,
    aim: Aim = "more",
) -> MethodResult:
    """One concept's sweep by one method: chosen on the selection half, measured on the test half.

    `rows`, `tried`: the files with the samples of the test and of the selection half.
    """
    choice = choose(result, coherence, aim)
    method = result.rows[0].method
    if choice.setting is None:
        best = max(choice.candidates, key=lambda each: known(each.figures.coherence).estimate)
        curve = curve_of(result, best.setting)
        return MethodResult(method, label, role, "", None, choice.reason, tried, tried, unit, goal, curve)
    setting = choice.setting
    return MethodResult(
        method,
        label,
        role,
        name_of(setting, role, unit),
        measure(result, setting, base),
        choice.reason,
        rows,
        tried,
        unit,
        goal,
        curve_of(result, setting) if role != "prompting" else (),
        pairs_of(result, setting, base, shown),
    )


def name_of(setting: Setting, role: Role, unit: str) -> str:
    """A setting as people read it."""
    if role == "prompting":
        return setting.variant
    strength = f"{setting.strength:g} {words.unit(unit)}".rstrip()
    return f"{setting.variant}, {strength}" if setting.variant else strength


def curve_of(result: SweepResult, setting: Setting) -> tuple[Point, ...]:
    """The strengths of the setting's variant, weakest first, on the selection half."""
    found: dict[float, list[Row]] = {}
    for row in result.rows:
        if row.half == "selection" and row.variant == setting.variant and row.concept == setting.concept:
            found.setdefault(row.strength, []).append(row)
    kept = {strength: figures(rows) for strength, rows in found.items() if any(row.ok for row in rows)}
    return tuple(
        Point(strength, each.behaviour, each.coherence, each.product, each.samples, each.seeds, each.failed)
        for strength, each in sorted(kept.items())
    )


def pairs_of(result: SweepResult, setting: Setting, base: SweepResult, shown: int) -> tuple[Pair, ...]:
    """The first sample of each of the first test prompts: not the best ones."""
    plain = {row.prompt_id: row.text for row in reversed(base.rows) if row.concept == setting.concept}
    rows = [row for row in result.rows if row.setting == setting and row.half == "test" and row.ok]
    first = {row.prompt_id: row for row in reversed(rows) if row.prompt_id in plain}
    chosen = [first[each] for each in sorted(first)][:shown]
    return tuple(
        Pair(row.prompt, row.text, plain[row.prompt_id], row.behaviour, row.coherence, _prefixed(row))
        for row in chosen
    )


def _prefixed(row: Row) -> str:
    return "" if row.prefix == BARE else row.prefix.replace(BARE, row.prompt)
