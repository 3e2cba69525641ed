"""Several runs on one page: what differed, what compares and what does not, and where each link leads."""

import re
from dataclasses import replace
from posixpath import normpath

import pytest

from saesteer.errors import InputError
from saesteer.report import Failure, render_comparison, write_comparison
from saesteer.report.comparison import compared, differing, unlike_first
from tests.report.runs import ASKED, made_run
from tests.report.test_page import HOSTILE, Page
from tests.report.test_run_page import links


def asked(**changes):
    return tuple((name, changes.get(name, value)) for name, value in ASKED)


@pytest.fixture(scope="module")
def runs():
    other = made_run(3, 5, shift=0.3, asked=asked(Strengths="0.1, 0.2"), title="Again")
    return {"first": made_run(2, 4), "second run": other}


@pytest.fixture(scope="module")
def html(runs):
    return render_comparison(runs)


def test_only_lines_that_differ(html):
    assert differing([asked(), asked(Strengths="0.1", Seeds="7")]) == [
        ("Strengths", ["0.08, 0.16, 0.24, 0.32, 0.48", "0.1"]),
        ("Seeds", ["0, 1", "7"]),
    ]
    assert differing([asked(), (*asked(), ("More", "x"))]) == [("More", ["–", "x"])]  # noqa: RUF001
    part = html.partition('id="asked"')[2].partition("</section>")[0]
    assert "0.1, 0.2" in part and "Samples per prompt" not in part


def test_nothing_asked_differently_is_said():
    html = render_comparison({"a": made_run(1), "b": made_run(1)})
    assert "Nothing: all lines of what was asked are the same." in html


def test_every_method_on_every_concept_of_any_run(runs, html):
    lines = compared(runs, {name: name for name in runs})
    assert len(lines) == 3 * 5
    assert html.count("not in this run") == 2 * 1 + 5
    assert html.count("no coherent setting") == 2


def test_differences_are_to_the_first_run_and_bold_where_intervals_lie_apart(runs):
    lines = {(each.concept, each.method): each for each in compared(runs, {name: name for name in runs})}
    cell = lines["wedding", "Difference of means"].cells[1]
    one, other = (
        runs[name].concepts[0].method("diffmean").outcome.figures.behaviour
        for name in ("second run", "first")
    )
    assert cell.difference == one.estimate - other.estimate
    assert cell.apart is (one.low > other.high or other.low > one.high)
    control = lines["wedding", "Random direction"].cells[1]
    assert control.difference == 0 and control.apart is False


@pytest.mark.parametrize(
    "change",
    [
        {"asked": asked(Prompts="8")},
        {"asked": asked(Judge="llm")},
        {"asked": (*ASKED, ("Prompts of the test half", "8"))},
        {
            "provenance": {
                "model": "abc",
                "judge": {"name": "oracle", "fingerprint": "other"},
                "seeds": [0, 1],
            }
        },
    ],
)
def test_other_prompts_or_judges_draw_no_conclusion(change):
    runs = {"a": made_run(2, 4), "b": made_run(2, 4, shift=0.3, **change)}
    html = render_comparison(runs)
    assert unlike_first(runs, "b") and "do not compare with those of a" in html
    assert ", not compared" in html and ", apart" not in html and "an interval that lies apart" not in html


def test_runs_alike_in_both_compare(runs, html):
    assert unlike_first(runs, "second run") == []
    more = {"a": made_run(1), "b": made_run(1, asked=asked(**{"Samples per prompt": "9", "Seeds": "7"}))}
    assert unlike_first(more, "b") == []
    assert "do not compare" not in html and ", apart</strong>" in html
    assert "Of 7 pairs of concept and method that all runs have" in html


def test_other_prompts_show_in_the_base_too(runs):
    run = runs["first"]
    concept = run.concepts[0]
    fewer = replace(concept, base=replace(concept.base, prompts=3))
    changed = replace(run, concepts=(fewer, *run.concepts[1:]))
    assert unlike_first({"a": run, "b": changed}, "b") == ["number of prompts of the unsteered texts"]


def test_other_prompts_of_equal_number_show_in_the_samples(runs):
    run = runs["first"]
    concept = run.concepts[0]
    methods = tuple(
        replace(each, pairs=tuple(replace(pair, prompt="Another.") for pair in each.pairs))
        for each in concept.methods
    )
    changed = replace(run, concepts=(replace(concept, methods=methods),))
    assert unlike_first({"a": run, "b": changed}, "b") == ["prompts of the samples shown"]
    without = replace(run, concepts=tuple(replace(each, methods=()) for each in run.concepts))
    assert unlike_first({"a": run, "b": without}, "b") == []


def test_links_lead_to_each_run(runs, tmp_path):
    folders = {"first": "../a b/run", "second run": "two"}
    html = render_comparison(runs, folders)
    found = links(html)
    assert {"../a b/run/report.html", "two/report.html"} <= found
    for each in found:
        assert normpath(each).startswith(("../a b/run/", "two/"))
    for evil in ("javascript:x", "/etc", "../a/../../b", "https://x.org"):
        with pytest.raises(InputError, match="relative path"):
            render_comparison(runs, {"first": evil})


def test_costs_stand_side_by_side(html, runs):
    part = html.partition('id="cost"')[2]
    assert part.count("<td>21 min</td>") == 2
    without = {name: replace(each, cost=None) for name, each in runs.items()}
    assert 'id="cost"' not in render_comparison(without)


def test_hostile_names_do_nothing(runs):
    evil = tuple((HOSTILE, f"{number}{HOSTILE}") for number in range(2))
    first = runs["first"]
    concept = replace(first.concepts[0], name=HOSTILE)
    changed = replace(first, title=HOSTILE, concepts=(concept,), asked=evil[:1])
    html = render_comparison(
        {HOSTILE: changed, "b": replace(changed, asked=evil[1:])}, {HOSTILE: "a", "b": "b"}
    )
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.elements} and "<script>alert(1)" in "".join(page.text)
    assert not re.search(r"https?:|@import|\ssrc=", html)


def test_it_takes_two_runs_and_an_html_file(runs, tmp_path):
    with pytest.raises(InputError, match="two runs or more, got 1"):
        render_comparison({"first": runs["first"]})
    with pytest.raises(InputError, match=r"one \.html file"):
        write_comparison(runs, tmp_path / "x.md")
    path = write_comparison(runs, tmp_path / "x.html")
    assert path.read_text(encoding="utf-8") == render_comparison(runs)


def test_other_texts_of_one_concept_do_not_compare_but_another_concept_does():
    def noted(**texts):
        run = made_run(2, 4)
        return replace(run, provenance={**run.provenance, **{f"texts of {k}": v for k, v in texts.items()}})

    first = noted(sea="ab12", war="00ff")
    assert unlike_first({"a": first, "b": noted(sea="ab12", dogs="77aa")}, "b") == []
    assert unlike_first({"a": first, "b": noted(sea="cd34", war="00ff")}, "b") == ["texts of sea"]
    longer = replace(first, asked=(*first.asked, ("writing", "up to 80 tokens")))
    assert unlike_first({"a": first, "b": longer}, "b") == ["writing"]


def test_what_failed_in_a_run_is_not_called_absent(runs):
    gone = replace(runs["first"].concepts[0], methods=runs["first"].concepts[0].methods[1:])
    failure = Failure("wedding, diffmean", "no memory", 1, 1, pair=("wedding", "diffmean"))
    broken = replace(runs["first"], concepts=(gone, *runs["first"].concepts[1:]), failures=(failure,))
    html = render_comparison({"first": runs["first"], "broken": broken})
    assert html.count("failed in this run") == 1 and "not in this run" not in html


def test_samples_failures_and_seeds_stand_beside_each_figure(html, runs):
    outcomes = [m.outcome for run in runs.values() for c in run.concepts for m in c.methods if m.outcome]
    assert html.count("64 samples, 8 prompts, 1 seed, 1 failed") == len(outcomes)
