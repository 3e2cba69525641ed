"""The report as Markdown: the same facts as the page, in tables. Knows records and the files of figures."""

from __future__ import annotations

from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from saesteer.report import words
from saesteer.report.cost import cost_lines
from saesteer.report.escaping import address, code, harmless, link, one_line, quoted
from saesteer.report.findings import caution, method_findings, sentences, side
from saesteer.report.marked import pieces
from saesteer.report.measures import label
from saesteer.report.page import by_role, measured
from saesteer.report.records import ConceptResult, Report
from saesteer.report.sides import sides
from saesteer.report.templating import TEMPLATES, flat
from saesteer.runs import plain

FIGURES: Final = "figures"
"""The folder of the figures, beside the page."""


def markdown(report: Report, figures: dict[str, list[tuple[str, str]]] | None = None) -> str:
    """The whole report as Markdown; `figures`: concept or "" -> what each figure shows, and its file."""
    page = _environment().get_template("report.md")
    return page.render(
        report=report,
        findings=sentences(report),
        caution=caution(report),
        side=side(report),
        methods=method_findings(report),
        sides=sides(report),
        cost=cost_lines(report.cost) if report.cost else (),
        measures=measured(report),
        figures=figures or {},
        provenance=flat(plain(report.provenance)),
        shown=lambda concept: by_role(concept, report.sign),
        sample=_sample,
    )


def _sample(text: str, concept: ConceptResult) -> Markup:
    """A text as a quotation, with the concept's words bold."""
    lines = []
    for line in words.visible(text).split("\n"):
        cut = [(hit, one_line(piece), piece) for hit, piece in pieces(line, concept.words)]
        lines.append("".join(f"**{shown}**" if hit else _spaced(shown, piece) for hit, shown, piece in cut))
    return Markup("\n".join(f"> {line.strip()}".rstrip() + "  " for line in lines))


def _spaced(shown: str, piece: str) -> str:
    """The piece with the space that stood around it."""
    if not shown:
        return " " if piece else ""
    return f"{' ' * piece[:1].isspace()}{shown}{' ' * piece[-1:].isspace()}"


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # what `harmless` returns is escaped, for Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless,
    )
    found.filters |= {
        "number": words.number,
        "times": words.times,
        "signed": words.signed,
        "between": words.between,
        "short": words.short,
        "chance": words.chance,
        "measure": label,
        "link": link,
        "address": address,
        "code": code,
        "quoted": lambda text: Markup(quoted(text)),
    }
    return found
