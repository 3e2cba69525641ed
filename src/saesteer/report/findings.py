"""What was found, in plain sentences and one line per method, claiming no more than intervals allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from saesteer.evaluation import Outcome
from saesteer.evaluation.choice import keeps
from saesteer.report.records import MethodResult, Report, Role
from saesteer.report.run_findings import run_sentences
from saesteer.report.words import counted

LIFT = 0.1  # an absolute gain below this is not called one, whatever the ratio


@dataclass(frozen=True)
class MethodFinding:
    """One method over all concepts, on the test half."""

    method: str
    label: str
    role: Role
    tried: int
    """Concepts on which it was tried."""
    chosen: int
    """Concepts in which some setting kept the coherence on the selection half."""
    held: int
    """Of those, concepts in which the coherence held on the test half too."""
    above: int
    """Concepts whose interval of the lift lies above 0, or below where less is aimed at."""
    goal: float | None
    reached: int
    """Concepts whose ratio reaches the goal by the lower end of its interval, with a lift of 0.1 or more."""
    behaviour: float | None
    """Median over the concepts with a setting."""
    base: float | None
    lift: float | None
    coherence: float | None


def method_findings(report: Report) -> tuple[MethodFinding, ...]:
    """One line per method: steering, prompting, controls; of each the best behaviour first."""
    every = [
        _finding(report, [m for c in report.concepts if (m := c.method(each.method))])
        for each in report.methods
    ]
    order = ("steering", "prompting", "control")
    return tuple(
        sorted(every, key=lambda each: (order.index(each.role), -report.sign * (each.behaviour or 0.0)))
    )


def _finding(report: Report, results: Sequence[MethodResult]) -> MethodFinding:
    first = results[0]
    outcomes = [each.outcome for each in results if each.outcome]
    goals = [(each.outcome, each.goal) for each in results if each.outcome and each.goal is not None]
    return MethodFinding(
        method=first.method,
        label=first.label,
        role=first.role,
        tried=len(results),
        chosen=len(outcomes),
        held=sum(keeps(each.figures, report.coherence) for each in outcomes),
        above=sum(map(report.clearly, outcomes)),
        goal=first.goal,
        reached=sum(reaches(outcome, goal, report.coherence) for outcome, goal in goals),
        behaviour=_median([each.figures.behaviour.estimate for each in outcomes]),
        base=_median([each.base.behaviour.estimate for each in outcomes]),
        lift=_median([each.lift.estimate for each in outcomes]),
        coherence=_median([each.figures.coherence.estimate for each in outcomes if each.figures.coherence]),
    )


def reaches(outcome: Outcome, goal: float, coherence: float) -> bool:
    """Whether the ratio reaches the goal by its lower end, the gain is real and the text still holds."""
    return outcome.ratio.low >= goal and outcome.lift.estimate >= LIFT and keeps(outcome.figures, coherence)


def sentences(report: Report) -> tuple[str, ...]:
    """The summary at the top of a report."""
    found = method_findings(report)
    lines = [
        "" if found else "No result: no method came to one on any concept.",
        *(_about(each, report) for each in found),
        _gap(found, report),
        *run_sentences(report),
        _missed(found, report),
        _failed(report),
    ]
    return tuple(line for line in lines if line)


def caution(report: Report) -> str:
    """How to read the figures and their intervals; empty where there are none."""
    if not report.methods:
        return ""
    intervals = sum(each.outcome is not None for concept in report.concepts for each in concept.methods)
    level = next((m.outcome.lift.level for c in report.concepts for m in c.methods if m.outcome), 0.95)
    where = side(report)
    text = (
        "Settings were chosen on one half of the prompts; the figures are from the other half. Clearly "
        f"{where} means that the whole {level * 100:.0f} % interval of the lift lies {where} 0. "
        "A goal counts as reached where the lower end of the ratio's interval reaches it, the absolute lift "
        f"is {LIFT} or more and the coherence is still {report.coherence:g} or more. Intervals come from a "
        "bootstrap over whole prompts."
    )
    found = [m.outcome.figures for c in report.concepts for m in c.methods if m.outcome]
    samples, failed = sum(each.samples for each in found), sum(each.failed for each in found)
    text += f" The chosen settings have {samples:,} samples; {failed:,} judgements failed."
    if any(len(method.seeds) > 1 for concept in report.concepts for method in concept.methods):
        text += " Samples of all seeds are pooled; intervals draw prompts, not seeds: other seeds may differ."
    by_chance = round(intervals * (1 - level))
    if by_chance:
        text += f" Of {intervals} such intervals, about {by_chance} should miss the truth by chance alone."
    return text


def side(report: Report) -> str:
    """Where a behaviour is to get to, seen from the base rate."""
    return "above" if report.sign > 0 else "below"


def _about(each: MethodFinding, report: Report) -> str:
    if each.behaviour is None or each.base is None:
        where = "the one concept tried" if each.tried == 1 else f"any of {each.tried} concepts"
        return f"{each.label}: no setting kept the text coherent on {where}."
    control = ", the control" if each.role == "control" else ""
    text = (
        f"{each.label}{control}: behaviour {each.behaviour:.2f} where the base rate is {each.base:.2f} "
        f"(medians); clearly {side(report)} it in {each.above} of {counted(each.tried, 'concept')}"
    )
    if each.goal is not None:
        text += f", and at least {each.goal:g} times the base rate in {each.reached}"
    return text + "."


def _gap(found: Sequence[MethodFinding], report: Report) -> str:
    """How far the best steering is from prompting, on the concepts where both have a setting."""
    prompting = next((each for each in found if each.role == "prompting" and each.lift), None)
    steering = next((each for each in found if each.role == "steering" and each.lift is not None), None)
    if prompting is None or steering is None or not prompting.lift or steering.lift is None:
        return ""
    pairs = [
        (one.outcome.lift.estimate, other.outcome.lift.estimate)
        for concept in report.concepts
        if (one := concept.method(steering.method)) and (other := concept.method(prompting.method))
        if one.outcome and other.outcome
    ]
    lifts = [median(each) for each in zip(*pairs, strict=True)]
    if not lifts or report.sign * lifts[1] <= 0:
        return ""  # it goes the other way
    share = lifts[0] / lifts[1]
    if share >= 1:
        told = f"({share * 100:.0f} %, by medians, an estimate)"
        does = "lifts" if report.sign > 0 else "lowers"
        return f"Beside prompting: {steering.label} {does} as much or more {told}."
    return (
        f"Beside prompting: {steering.label}, the best steering, gives {share * 100:.0f} % of its lift "
        "(by medians, an estimate)."
    )


def _missed(found: Sequence[MethodFinding], report: Report) -> str:
    chosen = sum(each.chosen for each in found)
    held = sum(each.held for each in found)
    none = sum(each.tried - each.chosen for each in found)
    parts = []
    if held < chosen:
        parts.append(
            f"{chosen - held} of {chosen} chosen settings fall below the coherence of "
            f"{report.coherence:g} on the test half"
        )
    if none:
        parts.append(f"{none} of {chosen + none} pairs of concept and method had no coherent setting")
    return f"Coherence: {'; '.join(parts)}." if parts else ""


def _failed(report: Report) -> str:
    parts = [concept.base for concept in report.concepts]
    parts += [m.outcome.figures for concept in report.concepts for m in concept.methods if m.outcome]
    failed = sum(each.failed for each in parts)
    every = failed + sum(each.samples for each in parts)
    return f"Failures: {failed} of {every} judgements failed; they count nowhere." if failed else ""


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
