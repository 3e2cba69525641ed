"""The summary as a table for the terminal. Markup and control characters in texts are harmless."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from saesteer.evaluation.choice import keeps
from saesteer.report.findings import sentences, side
from saesteer.report.records import ConceptResult, MethodResult, Report
from saesteer.report.words import cut, number, times, visible

_NAME: Final = 28
"""Letters of a name at most."""
_FIGURES: Final = 30
"""Columns that the figures of a line take, with the space between them."""


def summary_table(report: Report, width: int | None = None) -> Table:
    """The base rate and, per method, behaviour on the test half: a line per concept.

    Where that is wider than `width` there is a line per concept and method, in which names are cut short.
    """
    table = _wide(report)
    if width is not None and Console(width=10_000).measure(table).maximum > width:
        table = _long(report, width)
    return table


def _wide(report: Report) -> Table:
    table = _empty(report)
    table.add_column("Concept", no_wrap=True)
    table.add_column("Base", justify="right", no_wrap=True)
    for method in report.methods:
        table.add_column(Text(visible(method.label)), justify="right", no_wrap=True)
    for concept in report.concepts:
        cells = [_cell(report, concept, method.method) for method in report.methods]
        table.add_row(Text(cut(concept.name, _NAME)), number(concept.base.behaviour.estimate), *cells)
    return table


def _long(report: Report, width: int) -> Table:
    table = _empty(report)
    name = max(8, min(_NAME, (width - _FIGURES) // 2))
    for heading in ("Concept", "Method"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Base", "Behaviour"):
        table.add_column(heading, justify="right", no_wrap=True)
    for concept in report.concepts:
        shown = (cut(concept.name, name), number(concept.base.behaviour.estimate))
        for method in report.methods or (None,):
            label = "" if method is None else cut(method.label, name)
            cell = Text() if method is None else _cell(report, concept, method.method)
            table.add_row(Text(shown[0]), Text(label), shown[1], cell)
            shown = ("", "")
    return table


def _empty(report: Report) -> Table:
    return Table(
        title=Text(visible(report.title)), title_justify="left", header_style="bold", box=None, pad_edge=False
    )


class _Summary:
    """The table as wide as the terminal lets it be, what its signs mean, and the sentences of the report."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report = self.report
        yield summary_table(report, options.max_width)
        yield Text(
            "behaviour, its ratio to the base rate and the ratio's lower end; "
            f"bold: clearly {side(report)} the base rate; "
            f"!: coherence under {report.coherence:g} on the test half; "
            "–: no setting kept it, or no result",  # noqa: RUF001
            style="dim",
        )
        yield Text()
        for line in sentences(report):
            yield Padding(Text(f"• {visible(line)}"), (0, 0, 0, 1))


def summary(report: Report) -> RenderableType:
    """The table, what its signs mean, and the sentences that head the report."""
    return _Summary(report)


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
