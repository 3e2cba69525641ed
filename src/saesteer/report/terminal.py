"""The summary as a table for the terminal. Markup and control characters in texts are harmless."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from saesteer.evaluation.choice import keeps
from saesteer.report.findings import sentences, side
from saesteer.report.records import ConceptResult, MethodResult, Report
from saesteer.report.words import number, times, visible


def summary_table(report: Report) -> Table:
    """One line per concept: the base rate and, per method, behaviour on the test half."""
    table = Table(title=Text(visible(report.title)), title_justify="left", header_style="bold", box=None)
    table.add_column("Concept", no_wrap=True)
    table.add_column("Base", justify="right")
    for method in report.methods:
        table.add_column(Text(visible(method.label)), justify="right")
    for concept in report.concepts:
        cells = [_cell(report, concept, method.method) for method in report.methods]
        table.add_row(Text(visible(concept.name)), number(concept.base.behaviour.estimate), *cells)
    return table


def summary(report: Report) -> RenderableType:
    """The table, what its signs mean, and the sentences that head the report."""
    legend = Text(
        "behaviour, its ratio to the base rate and the ratio's lower end; "
        f"bold: clearly {side(report)} the base rate; "
        f"!: coherence under {report.coherence:g} on the test half; "
        "–: no setting kept it",  # noqa: RUF001
        style="dim",
    )
    lines = [Padding(Text(f"• {visible(line)}"), (0, 0, 0, 1)) for line in sentences(report)]
    return Group(summary_table(report), legend, Text(), *lines)


def print_summary(report: Report, console: Console | None = None) -> None:
    """Print the summary."""
    (console or Console()).print(summary(report))


def _cell(report: Report, concept: ConceptResult, method: str) -> Text:
    result: MethodResult | None = concept.method(method)
    if result is None or result.outcome is None:
        return Text(number(None), style="dim")
    outcome = result.outcome
    clear = report.clearly(outcome)
    text = Text(number(outcome.figures.behaviour.estimate), style="bold" if clear else "")
    text.append(f" {times(outcome.ratio.estimate)} ≥{times(outcome.ratio.low)}", style="dim")
    if not keeps(outcome.figures, report.coherence):
        text.append(" !", style="yellow")
    return text
