"""Seeds, comparisons and further judges at the top of a page: what they allow, and no more."""

from dataclasses import replace

import pytest

from saesteer.report import SeedFigures, sentences
from saesteer.report.run_findings import run_sentences
from tests.report.runs import around, made_run, made_versus


@pytest.fixture(scope="module")
def run():
    return made_run(2, 6)


def said(report, head):
    return next((each for each in run_sentences(report) if each.startswith(head)), "")


def each_method(report, change):
    concepts = tuple(
        replace(each, methods=tuple(change(each.name, m) for m in each.methods)) for each in report.concepts
    )
    return replace(report, concepts=concepts)


def test_they_stand_among_the_sentences(run):
    for each in run_sentences(run):
        assert each in sentences(run)


def test_a_report_without_them_says_none(report):
    assert run_sentences(report) == ()


def seeds(*values):
    return tuple(SeedFigures(number, 8, around(value), None) for number, value in enumerate(values))


def test_seeds_say_how_far_figures_move_and_whether_the_best_stays(run):
    def change(concept, method):
        if method.method == "caa":
            return replace(method, seeds=seeds(0.5, 0.3 if concept == "wedding" else 0.6))
        return replace(method, seeds=seeds(0.4, 0.4))

    found = said(each_method(run, change), "Seeds")
    assert "over 2 seeds a method's behaviour on a concept moves by 0.00 (median; at most 0.20)" in found
    assert found.endswith("the best steering method is the same under each seed in 1 of 2 concepts.")


def test_one_seed_is_no_spread(run):
    one = each_method(run, lambda _, method: replace(method, seeds=seeds(0.5)))
    assert said(one, "Seeds") == ""


def test_a_difference_is_clear_by_interval_and_corrected_p_together(run):
    one = made_versus("wedding", "caa", "diffmean", 0.3, 0.001)
    versus = (
        one,
        replace(one, p_adjusted=0.051),
        replace(one, difference=around(0.05, 0.1)),
        replace(one, difference=replace(one.difference, low=-0.01)),
    )
    found = said(replace(run, versus=versus), "Side by side")
    assert "1 of 4 comparisons on the same prompts shows a clear difference" in found
    assert "undecided, which is not the same as equal" in found


def test_prompting_is_compared_from_either_side(run):
    up = made_versus("wedding", "caa", "prompting", 0.3, 0.001)
    down = made_versus("sea", "prompting", "caa", 0.3, 0.001)
    open_ = made_versus("sea", "caa", "prompting", 0.01, 0.7)
    other = replace(up, figure="coherence")
    control = replace(up, one="random")
    found = said(replace(run, versus=(up, down, open_, other, control)), "Against prompting")
    assert "in 3 pairs" in found and "clearly higher in 1, clearly lower in 1 and undecided in 1." in found


def judged(report, values):
    """`values`: of each method by a further judge, with intervals 0.04 wide."""

    def change(_, method):
        judges = tuple(
            replace(each, figures={"behaviour": around(values.get(method.method, 0.1), 0.02)})
            for each in method.judges
        )
        outcome = method.outcome
        if outcome is not None:
            own = 0.6 if method.method == "caa" else 0.3
            figures = replace(outcome.figures, behaviour=around(own, 0.02))
            outcome = replace(outcome, figures=figures)
        return replace(method, judges=judges, outcome=outcome)

    return each_method(report, change)


def test_judges_agree_on_the_best_or_differ_within_or_beyond_intervals(run):
    assert said(judged(run, {"caa": 0.5}), "Judge llm").endswith("that chose in 2 of 2 concepts.")
    far = said(judged(run, {"diffmean": 0.5}), "Judge llm")
    assert "in 0 of 2 concepts; in 0 of the other 2" in far
    mixed = judged(run, {"diffmean": 0.5})
    mixed = replace(mixed, concepts=(mixed.concepts[0], judged(run, {"caa": 0.5}).concepts[1]))
    assert "in 1 of 2 concepts; in 0 of the other 1 one judge" in said(mixed, "Judge llm")
    near = said(judged(run, {"diffmean": 0.5, "caa": 0.49}), "Judge llm")
    assert "in 0 of 2 concepts; in 2 of the other 2 one judge's intervals" in near


def test_what_failed_is_counted(run):
    assert said(run, "Not done").startswith("Not done: 5 things failed in 2 places")
    assert said(replace(run, failures=()), "Not done") == ""


def test_where_less_is_wanted_the_best_is_the_lowest(run):
    """The highest differ between seeds and between judges, the lowest do not."""

    def change(concept, method):
        values = {"diffmean": (0.1, 0.1), "caa": (0.5, 0.3)}
        return replace(method, seeds=seeds(*values.get(method.method, (0.4, 0.4))))

    seeded = each_method(run, change)
    assert said(seeded, "Seeds").endswith("is the same under each seed in 0 of 2 concepts.")
    assert said(replace(seeded, aim="less"), "Seeds").endswith("under each seed in 2 of 2 concepts.")
    names = [each.method for each in run.methods if any(j.judge == "llm" for j in each.judges)]
    first, last = (next(n for n in order if n != "caa") for order in (names, names[::-1]))
    twice = judged(run, dict.fromkeys(names, 0.4) | {first: 0.05, last: 0.7})
    assert "chose in 0 of 2" in said(twice, "Judge llm")
    assert "chose in 2 of 2" in said(replace(twice, aim="less"), "Judge llm")
