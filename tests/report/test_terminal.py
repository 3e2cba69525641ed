"""The terminal's table: the same figures, and texts that cannot command the terminal."""

import io
from dataclasses import replace

from rich.console import Console

from saesteer.report import print_summary


def printed(report, width=160) -> str:
    out = io.StringIO()
    print_summary(report, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def test_every_concept_has_its_figures(report):
    text = printed(report)
    for concept in report.concepts:
        line = next(line for line in text.splitlines() if line.strip().startswith(concept.name))
        assert f"{concept.base.behaviour.estimate:.2f}" in line
        for method in concept.methods:
            assert f"{method.outcome.figures.behaviour.estimate:.2f}" in line


def test_lost_coherence_and_nothing_chosen_are_marked(report):
    concept = report.concepts[0]
    prompting, diffmean, *others = concept.methods
    figures = diffmean.outcome.figures
    broken = replace(figures, coherence=replace(figures.coherence, estimate=0.5))
    diffmean = replace(diffmean, outcome=replace(diffmean.outcome, figures=broken))
    methods = (replace(prompting, outcome=None), diffmean, *others)
    line = printed(replace(report, concepts=(replace(concept, methods=methods),))).splitlines()[2]
    assert " !" in line and "–" in line  # noqa: RUF001


def test_markup_and_escapes_in_names_are_shown_as_they_are(report):
    concept = replace(report.concepts[0], name="[bold red]x[/] \x1b[31m")
    text = printed(replace(report, concepts=(concept,), title="[link=x]t"))
    assert "[bold red]x[/]" in text and "[link=x]t" in text and "\x1b" not in text


def test_it_fits_a_narrow_terminal(report):
    assert max(map(len, printed(report, 80).splitlines())) <= 80


def test_where_the_table_does_not_fit_there_is_a_line_per_method_with_names_cut_short(report):
    long = replace(
        report.concepts[0], name="a name of a concept that goes on for longer than a line has room"
    )
    found = replace(report, concepts=(long, *report.concepts[1:]))
    lines = [line for line in printed(found, 70).splitlines() if any(m.label in line for m in report.methods)]
    rows = lines[: len(report.concepts) * len(report.methods)]
    assert all(len(line) <= 70 for line in rows) and "…" in rows[0]
    figures = [each.outcome.figures.behaviour.estimate for c in found.concepts for each in c.methods]
    assert [f"{each:.2f}" in line for each, line in zip(figures, rows, strict=True)] == [True] * len(rows)
    wide = printed(found, 200).splitlines()
    assert sum("…" in line for line in wide) == 1


def test_a_report_without_any_result_says_so(report):
    bare = replace(report, concepts=tuple(replace(each, methods=()) for each in report.concepts))
    text = printed(bare)
    assert "No result: no method came to one on any concept." in text
    for concept in report.concepts:
        assert concept.name in text
