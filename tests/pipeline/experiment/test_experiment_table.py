"""Rows of results.csv."""

from dataclasses import replace

from saesteer.pipeline.experiment import table_rows
from saesteer.report.findings import reaches
from tests.report.runs import made_run, none_coherent


def test_a_goal_is_reached_where_the_report_says_so_and_nothing_is_said_without_one():
    run = made_run()
    [concept, other] = run.concepts
    first, second, third, *_ = concept.methods
    low = first.outcome.ratio.low
    methods = (
        replace(first, goal=low - 0.1),
        replace(second, goal=1000.0),
        replace(none_coherent(third), goal=2.0),
    )
    rows = table_rows(replace(run, concepts=(replace(concept, methods=methods), other)))
    assert [(row["goal"], row["reached"]) for row in rows[:3]] == [
        (low - 0.1, True), (1000.0, False), (2.0, False),
    ]  # fmt: skip
    assert reaches(first.outcome, low - 0.1, run.coherence) and not reaches(first.outcome, low + 0.1, 0)
    assert {row["reached"] for row in rows[3:] if row["goal"] is None} <= {None}
