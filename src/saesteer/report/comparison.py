"""Several runs on one page: what was asked differently, and each run's figures side by side. Knows records.

Two runs were not paired prompt by prompt here, so nothing finer is said than whether intervals overlap.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from saesteer.errors import InputError
from saesteer.report.cost import CostLine, cost_lines
from saesteer.report.records import MethodResult, Report, check_link
from saesteer.report.templating import environment, flat, style
from saesteer.runs import plain, write_text

HOME: Final = "report.html"
"""The page of each run, in its folder."""
_TEXTS: Final = "texts of "
"""Before a concept's name; a concept that one run lacks is not compared."""
_DECIDES: Final = re.compile(r"(prompts?|judge|writing|texts of)\b", re.IGNORECASE)
"""What begins the name of a line of what was asked, or noted: figures of different ones do not compare."""


@dataclass(frozen=True)
class Cell:
    """One run's result of one method on one concept, and how it differs from the first run's."""

    result: MethodResult | None
    rows: str
    failed: bool = False
    """Whether it was tried and came to no result, which is not the same as not being asked for."""
    difference: float | None = None
    apart: bool | None = None
    """Whether the two intervals leave a gap; None where the figures do not compare."""


@dataclass(frozen=True)
class Line:
    """One method on one concept over all runs."""

    concept: str
    method: str
    cells: tuple[Cell, ...]


def write_comparison(
    runs: Mapping[str, Report], path: str | Path, folders: Mapping[str, str] | None = None
) -> Path:
    """Write one page about `runs`, by their names, the first of which the others are compared with.

    `folders`: where each run lies, from the folder of `path`; default: its name.
    """
    if Path(path).suffix != ".html":
        raise InputError(f"a comparison is one .html file, got {path}; name it comparison.html")
    write_text(path, render_comparison(runs, folders))
    return Path(path)


def render_comparison(runs: Mapping[str, Report], folders: Mapping[str, str] | None = None) -> str:
    """The whole page as one string."""
    if len(runs) < 2:
        raise InputError(f"a comparison is of two runs or more, got {len(runs)}; name another")
    homes = {name: _checked((folders or {}).get(name, name)) for name in runs}
    lines = compared(runs, homes)
    unlike = {name: unlike_first(runs, name) for name in runs}
    page = environment().get_template("comparison.html")
    return page.render(
        runs=runs,
        pages={name: posixpath.join(home, HOME) for name, home in homes.items()},
        asked=differing([report.asked for report in runs.values()]),
        lines=lines,
        unlike={name: told for name, told in unlike.items() if told},
        counted=sum(any(cell.apart for cell in line.cells[1:]) for line in lines),
        shared=sum(all(cell.apart is not None for cell in line.cells[1:]) for line in lines),
        cost=_costs(runs),
        style=style("style.css"),
    )


def differing(asked: list[tuple[tuple[str, str], ...]]) -> list[tuple[str, list[str]]]:
    """The lines of what was asked that are not the same in all runs; a dash where a run has no such line."""
    known = [dict(each) for each in asked]
    names = dict.fromkeys(name for each in known for name in each)
    lines = [(name, [each.get(name, "–") for each in known]) for name in names]  # noqa: RUF001
    return [(name, values) for name, values in lines if len(set(values)) > 1]


def unlike_first(runs: Mapping[str, Report], name: str) -> list[str]:
    """Names of what figures hang on (prompts, judges, writing, a concept's texts) and the two differ in."""
    pair = (next(iter(runs.values())), runs[name])
    first, own = map(_deciding, pair)
    alone = {
        each for each in {*first, *own} if each.startswith(_TEXTS) and not (each in first and each in own)
    }
    names = [each for each in dict.fromkeys([*first, *own]) if each not in alone]
    found = [each for each in names if first.get(each) != own.get(each)]
    shown = [{text.prompt for c in each.concepts for m in c.methods for text in m.pairs} for each in pair]
    if all(shown) and shown[0].isdisjoint(shown[1]):
        found.append("prompts of the samples shown")
    return found


def compared(runs: Mapping[str, Report], homes: Mapping[str, str]) -> tuple[Line, ...]:
    """Every method on every concept that some run has, in the order in which they first appear."""
    keys = dict.fromkeys(
        (c.name, m.method, m.label) for each in runs.values() for c in each.concepts for m in c.methods
    )
    labels: dict[tuple[str, str], str] = {}
    for concept, method, label in keys:
        labels.setdefault((concept, method), label)
    return tuple(_line(runs, homes, *key, label) for key, label in labels.items())


def _line(
    runs: Mapping[str, Report], homes: Mapping[str, str], concept: str, method: str, label: str
) -> Line:
    found = {name: _result(each, concept, method) for name, each in runs.items()}
    first = next(iter(found.values()))
    cells = []
    for place, (name, result) in enumerate(found.items()):
        rows = posixpath.join(homes[name], result.rows) if result else ""
        if not place or not first or not first.outcome or not result or not result.outcome:
            cells.append(Cell(result, rows, runs[name].failed(concept, method)))
            continue
        one, other = result.outcome.figures.behaviour, first.outcome.figures.behaviour
        apart = None if unlike_first(runs, name) else one.low > other.high or other.low > one.high
        cells.append(Cell(result, rows, False, one.estimate - other.estimate, apart))
    return Line(concept, label, tuple(cells))


def _result(report: Report, concept: str, method: str) -> MethodResult | None:
    found = next((each for each in report.concepts if each.name == concept), None)
    return found.method(method) if found else None


def _deciding(report: Report) -> dict[str, str]:
    """What was asked and noted that figures hang on."""
    lines = [*report.asked, *flat(plain(report.provenance))]
    found = {name: value for name, value in lines if _DECIDES.match(name)}
    return found | {"number of prompts of the unsteered texts": str(report.concepts[0].base.prompts)}


def _costs(runs: Mapping[str, Report]) -> list[tuple[str, list[str]]]:
    known: list[dict[str, CostLine]] = [
        {line.label: line for line in cost_lines(each.cost)} if each.cost else {} for each in runs.values()
    ]
    names = dict.fromkeys(label for each in known for label in each)
    return [
        (name, [each[name].took if name in each else "–" for each in known])  # noqa: RUF001
        for name in names
    ]


def _checked(folder: str) -> str:
    """The folder as it is, where it is a plain relative path; it may lead up to its neighbours."""
    below = re.sub(r"^(?:\.\./)*(?:\.\.$)?", "", folder)
    if below:
        check_link(below)
    return folder
