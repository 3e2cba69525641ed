"""`saesteer agree`: how far the judges of one sweep agree, as text, JSON and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.sweeps import sweeps_of
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.evaluation import Agreement
    from saesteer.statistics import Interval


def agree(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a sweep, or of a run.", show_default=False)
    ],
    figures: Annotated[
        str | None,
        typer.Option(help="With commas: behaviour, coherence, ...; default: all.", show_default=False),
    ] = None,
    thresholds: Annotated[
        str, typer.Option(help="Where kappa's levels are cut.")
    ] = "0.125,0.375,0.625,0.875",
    worst: Annotated[int, typer.Option(min=0, help="Worst disagreements of each pair, with texts.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a page: .html.")] = None,
    json: options.Json = False,
) -> None:
    """How far the judges of a sweep agree, with a page.

    The sweep's own judge, those of saesteer judge and the people of saesteer rate, two by two, with 95 %
    intervals over prompts.

    Example: saesteer agree runs/sweep-0123456789ab --out agreement.html
    """
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.evaluation import agreement, own_judgements
    from saesteer.evaluation.judgements import JudgementsOf

    if out is not None:
        options.check_output(out, ".html")
    sweeps = sweeps_of(folder)[0]
    said = [line for each in sweeps for line in own_judgements(each)] + JudgementsOf(sweeps).read()
    names = [each.strip() for each in (figures or "").split(",") if each.strip()]
    found = agreement([row for each in sweeps for row in each.rows], said, names, _cuts(thresholds), worst)
    if out is not None:
        from saesteer.report.agreement_page import write_agreement

        write_agreement(found, out, f"saesteer agree {folder}")
    if json:
        print_json({"agreement": found, "page": out})
        return
    print_table(*_lines(found))
    if out is not None:
        print_table(f"page: {out}")


def _cuts(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise InputError(f"--thresholds are numbers with commas, got {text!r}") from error


def _lines(found: Agreement) -> list[Any]:
    """Two lines per pair and figure, then alpha of all; 80 columns but for long names."""
    from rich.padding import Padding
    from rich.text import Text

    parts: list[Any] = []
    for pair in found.pairs:
        head = f"{pair.figure}: {pair.one} / {pair.other}, {pair.rows} rows"
        told = {"kappa": pair.kappa, "spearman": pair.spearman, "pearson": pair.pearson, "gap": pair.gap}
        parts.append(Text(one_line(head), style="bold"))
        lines = [f"{name:9}{_told(value)}" for name, value in told.items()]
        parts.append(Padding(Text("\n".join(lines)), (0, 0, 0, 2)))
    cuts = ", ".join(f"{each:g}" for each in found.thresholds)
    notes = [f"alpha of all judges, {name}: {_told(value)}" for name, value in found.alphas.items() if value]
    notes += [f"{judge}: {each['failed']} failed" for judge, each in found.judges.items() if each["failed"]]
    notes += [f"kappa: squared distances on levels cut at {cuts}; gap: first mean minus second"]
    return [*parts, Text(), *(Text(one_line(each)) for each in notes)]


def _told(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
