"""The sentences at the top say what the intervals allow, and no more."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from saesteer.errors import InputError
from saesteer.report import ConceptResult, MethodResult, Report, caution, method_findings, sentences
from saesteer.report.findings import reaches
from saesteer.report.page import best_steering, render
from saesteer.report.terminal import print_summary
from saesteer.statistics import Interval


def with_outcomes(report: Report, method: str, **intervals: tuple[float, float, float]) -> Report:
    """The report with these intervals in the outcomes of one method."""

    def changed(result: MethodResult) -> MethodResult:
        if result.method != method or result.outcome is None:
            return result
        outcome = result.outcome
        for name, values in intervals.items():
            interval = Interval(*values, 0.95)
            if name in ("ratio", "lift"):
                outcome = replace(outcome, **{name: interval})
            else:
                outcome = replace(outcome, figures=replace(outcome.figures, **{name: interval}))
        return replace(result, outcome=outcome)

    def concept(each: ConceptResult) -> ConceptResult:
        return replace(each, methods=tuple(map(changed, each.methods)))

    return replace(report, concepts=tuple(map(concept, report.concepts)))


def finding(report, method):
    return next(each for each in method_findings(report) if each.method == method)


GOOD = {"ratio": (5.1, 6.0, 7.0), "lift": (0.2, 0.3, 0.4), "coherence": (0.8, 0.85, 0.9)}


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        ({}, 2),
        ({"ratio": (4.9, 6.0, 7.0)}, 0),  # the lower end decides
        ({"lift": (0.01, 0.09, 0.2)}, 0),  # five times next to nothing is no gain
        ({"coherence": (0.7, 0.79, 0.9)}, 0),  # chosen as coherent, and then was not
    ],
)
def test_a_goal_is_reached_by_the_lower_end_with_a_real_lift_and_coherent_text(report, change, reached):
    found = with_outcomes(report, "diffmean", **{**GOOD, **change})
    assert finding(found, "diffmean").reached == reached
    assert f"at least 5 times the base rate in {reached}." in sentences(found)[0] + sentences(found)[1]
    outcome = found.concepts[0].method("diffmean").outcome
    assert reaches(outcome, 5.0, 0.8) is (reached == 2)


def test_above_means_the_whole_interval(report):
    assert finding(with_outcomes(report, "random", lift=(0.001, 0.1, 0.2)), "random").above == 2
    assert finding(with_outcomes(report, "random", lift=(-0.001, 0.1, 0.2)), "random").above == 0


def test_lost_coherence_is_said(report):
    kept = with_outcomes(report, "sae_decoder", coherence=(0.8, 0.9, 1.0))
    for method in ("diffmean", "prompting", "random"):
        kept = with_outcomes(kept, method, coherence=(0.8, 0.9, 1.0))
    assert not any(line.startswith("Coherence") for line in sentences(kept))
    lost = with_outcomes(kept, "sae_decoder", coherence=(0.5, 0.6, 0.7))
    assert any("2 of 8 chosen settings fall below" in line for line in sentences(lost))


def test_the_distance_to_prompting_is_said(report):
    found = with_outcomes(report, "prompting", lift=(0.4, 0.5, 0.6))
    found = with_outcomes(found, "diffmean", lift=(0.1, 0.2, 0.3), behaviour=(0.8, 0.9, 1.0))
    assert any("gives 40 % of its lift" in line for line in sentences(found))
    found = with_outcomes(found, "diffmean", lift=(0.4, 0.6, 0.8))
    assert any("as much or more (120 %" in line for line in sentences(found))


def test_the_distance_to_prompting_is_of_the_concepts_that_both_have(report):
    """A method that kept its coherence on one concept alone is not held against prompting on all."""
    found = with_outcomes(report, "prompting", lift=(0.4, 0.5, 0.6))
    found = with_outcomes(found, "diffmean", lift=(0.1, 0.2, 0.3), behaviour=(0.8, 0.9, 1.0))
    first, second = found.concepts
    methods = tuple(replace(m, outcome=None) if m.method == "diffmean" else m for m in first.methods)
    other = replace(report, concepts=(replace(first, methods=methods), second))
    easy = with_outcomes(replace(report, concepts=(second,)), "prompting", lift=(0.9, 1.0, 1.0))
    easy = with_outcomes(easy, "diffmean", lift=(0.1, 0.2, 0.3), behaviour=(0.8, 0.9, 1.0)).concepts
    found = replace(other, concepts=(other.concepts[0], *easy))
    assert any("gives 20 % of its lift" in line for line in sentences(found))


def test_steering_first_controls_last(report):
    assert [each.role for each in method_findings(report)] == ["steering", "steering", "prompting", "control"]


def test_failed_judgements_are_said(report):
    concept = report.concepts[0]
    assert not any(line.startswith("Failures") for line in sentences(report))
    failed = replace(concept, base=replace(concept.base, failed=7))
    assert any("7 of" in line for line in sentences(replace(report, concepts=(failed,))))


def test_nothing_coherent_is_said(report):
    methods = tuple(replace(each, outcome=None) for each in report.concepts[0].methods)
    found = replace(report, concepts=(replace(report.concepts[0], methods=methods),))
    assert any("no setting kept the text coherent on the one concept tried." in s for s in sentences(found))
    assert "by chance" not in caution(found)


def test_chance_is_counted_over_all_intervals(make_report):
    assert "Of 20 such intervals, about 1 should" in caution(make_report(5))


def test_where_less_is_wanted_everything_looks_the_other_way(report):
    """Of an aim at less: what lies clearly below counts, and the lowest behaviour is the best."""
    low = with_outcomes(report, "diffmean", lift=(-0.4, -0.3, -0.2), behaviour=(0.0, 0.05, 0.1))
    less = replace(low, aim="less")
    assert finding(low, "diffmean").above == 0
    assert finding(less, "diffmean").above == finding(less, "diffmean").chosen > 0
    text = " ".join(sentences(less))
    assert "clearly below it in" in text and "clearly above" not in text
    assert "lies below 0" in caution(less)
    steering = [
        each for each in method_findings(less) if each.role == "steering" and each.behaviour is not None
    ]
    assert [each.behaviour for each in steering] == sorted(each.behaviour for each in steering)
    for concept in less.concepts:
        best = best_steering(concept, less.sign)
        assert best is not None and best.method == "diffmean"
    page = render(less)
    assert "Clearly below" in page and "lies below 0" in page and "clearly above" not in page.lower()
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(less, console)
    assert "bold: clearly below the base rate" in console.export_text()
    with pytest.raises(InputError, match="aim is more or less"):
        replace(low, aim="up")
