"""What seeds, comparisons and further judges allow to say, in one sentence each. Knows records only.

An order of methods is a claim about differences, so each sentence says in how many concepts it holds, and
what is within the intervals is called undecided.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from saesteer.report.records import ConceptResult, JudgedBy, MethodResult, Report
from saesteer.report.sides import CLEAR, is_clear
from saesteer.report.words import counted
from saesteer.statistics import Interval


def run_sentences(report: Report) -> tuple[str, ...]:
    """Seeds, comparisons, further judges and failures; only what the report has."""
    lines = [_seeds(report), _versus(report), _prompting(report), *_judges(report), _failures(report)]
    return tuple(line for line in lines if line)


def _seeds(report: Report) -> str:
    methods = [each for concept in report.concepts for each in concept.methods if len(each.seeds) > 1]
    if not methods:
        return ""
    moves = [_spread(each) for each in methods]
    count = max(len(each.seeds) for each in methods)
    text = (
        f"Seeds: over {count} seeds a method's behaviour on a concept moves by {median(moves):.2f} (median; "
        f"at most {max(moves):.2f})"
    )
    held = [found for concept in report.concepts if (found := _same_best(concept, report.sign)) is not None]
    if held:
        text += f"; the best steering method is the same under each seed in {_of(sum(held), len(held))}"
    return text + "."


def _spread(method: MethodResult) -> float:
    values = [each.behaviour.estimate for each in method.seeds]
    return max(values) - min(values)


def _same_best(concept: ConceptResult, sign: int) -> bool | None:
    """Whether every seed names the same best steering method; None where there is no choice to name."""
    steering = [each for each in concept.methods if each.role == "steering" and len(each.seeds) > 1]
    shared = set.intersection(*({s.seed for s in each.seeds} for each in steering)) if steering else set()
    if len(steering) < 2 or len(shared) < 2:
        return None
    best = set()
    for seed in shared:
        by_name = {m.method: next(s for s in m.seeds if s.seed == seed) for m in steering}
        best.add(max(by_name, key=lambda name: sign * by_name[name].behaviour.estimate))
    return len(best) == 1


def _versus(report: Report) -> str:
    if not report.versus:
        return ""
    clear = sum(map(is_clear, report.versus))
    count = len(report.versus)
    return (
        f"Side by side: {clear} of {count} comparison{'s' if count > 1 else ''} on the same prompts "
        f"{'shows' if clear == 1 else 'show'} a clear difference (interval on one side of 0, p after Holm "
        f"under {CLEAR:g}); the others are undecided, which is not the same as equal."
    )


def _prompting(report: Report) -> str:
    """Steering against prompting, where they were compared in behaviour."""
    roles = {each.method: each.role for each in report.methods}
    up = down = count = 0
    for each in report.versus:
        pair = (roles.get(each.one), roles.get(each.other))
        if each.figure != "behaviour" or pair not in (("steering", "prompting"), ("prompting", "steering")):
            continue
        above = each.difference.estimate > 0
        wins = above if pair[0] == "steering" else not above
        count += 1
        up += is_clear(each) and wins
        down += is_clear(each) and not wins
    if not count:
        return ""
    return (
        f"Against prompting: in {count} pair{'s' if count > 1 else ''} of concept and steering method, "
        "behaviour is clearly higher in "
        f"{up}, clearly lower in {down} and undecided in {count - up - down}."
    )


def _judges(report: Report) -> Iterable[str]:
    names = dict.fromkeys(j.judge for c in report.concepts for m in c.methods for j in m.judges)
    return (line for name in names if (line := _judge(report, name)))


def _judge(report: Report, name: str) -> str:
    """How often a further judge names the same best method as the one that chose."""
    same = near = count = 0
    for concept in report.concepts:
        first = {m.method: m.outcome.figures.behaviour for m in concept.methods if m.outcome}
        second = {m.method: j.figures["behaviour"] for m in concept.methods if (j := _by(m, name))}
        shared = [each for each in first if each in second]
        if len(shared) < 2:
            continue
        count += 1
        ours, theirs = (
            max(shared, key=lambda m: report.sign * found[m].estimate) for found in (first, second)
        )
        same += ours == theirs
        near += ours != theirs and (
            _overlap(first[ours], first[theirs]) or _overlap(second[ours], second[theirs])
        )
    if not count:
        return ""
    text = f"Judge {name}: names the same best method as the judge that chose in {_of(same, count)}"
    if same < count:
        text += f"; in {near} of the other {count - same} one judge's intervals of the two overlap"
    return text + "."


def _by(method: MethodResult, name: str) -> JudgedBy | None:
    return next((j for j in method.judges if j.judge == name and "behaviour" in j.figures), None)


def _overlap(one: Interval, other: Interval) -> bool:
    return one.low <= other.high and other.low <= one.high


def _failures(report: Report) -> str:
    if not report.failures:
        return ""
    places = len({each.where for each in report.failures})
    count = sum(each.count for each in report.failures)
    return (
        f"Not done: {count} thing{'s' if count > 1 else ''} failed in {places} "
        f"place{'s' if places > 1 else ''}; the figures are without {'them' if count > 1 else 'it'}, and the "
        "page lists what was said."
    )


def _of(part: int, count: int) -> str:
    return f"{part} of {counted(count, 'concept')}"
