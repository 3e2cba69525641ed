"""A report as Markdown with its figures as files. Knows names of files; what is in them others know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from saesteer.report.heat_plot import heat_map
from saesteer.report.latent_links import folders
from saesteer.report.markdown import FIGURES, markdown
from saesteer.report.palette import Draw, write_figure
from saesteer.report.plots import dose_plot, has_coherence, overview_plot, pareto_plot, place_of
from saesteer.report.records import ConceptResult, Report
from saesteer.runs import write_text

PAGE: Final = "report.md"
KINDS: Final = ("svg", "png")
_WIDTH: Final = 8.6  # inches


def write_files(report: Report, folder: str | Path) -> tuple[Path, ...]:
    """Write report.md and figures/*.svg and *.png to `folder`, each whole or not at all.

    Links start from `folder`, as those of the page do. Equal reports give equal bytes.
    """
    folder, places = Path(folder), place_of(report)
    every = {each.label: places[each.method] for each in report.methods}
    shown: dict[str, list[tuple[str, str]]] = {}
    written = []
    for concept, name, title, draw in _figures(report, places):
        legend = {} if name == "heat" else every
        if concept:
            legend = {each.label: places[each.method] for each in concept.methods}
        written += [write_figure(draw, folder / FIGURES / f"{name}.{kind}", title, legend) for kind in KINDS]
        shown.setdefault(concept.name if concept else "", []).append((title, f"{FIGURES}/{name}.svg"))
    write_text(folder / PAGE, markdown(report, shown))
    return (folder / PAGE, *written)


def _figures(report: Report, places: dict[str, int]) -> Iterator[tuple[ConceptResult | None, str, str, Draw]]:
    """Concept (None: of all), name of the file, title, and what draws it."""
    if not places:
        return  # no method came to a result
    yield (
        None, "overview", "Behaviour on the test half; bars: unsteered",
        lambda palette: overview_plot(report, places, _WIDTH, palette),
    )  # fmt: skip
    yield None, "heat", "Behaviour on the test half", lambda palette: heat_map(report, palette)
    names = [f"{number:02d}_{each.name}" for number, each in enumerate(report.concepts, 1)]
    for concept, name in zip(report.concepts, folders(names).values(), strict=True):
        yield from _of(concept, name, report, places)


def _of(
    concept: ConceptResult, name: str, report: Report, places: dict[str, int]
) -> Iterator[tuple[ConceptResult | None, str, str, Draw]]:
    if not any(method.points for method in concept.methods):
        return
    floor = report.coherence
    yield (
        concept, f"{name}_dose", f"{concept.name}: by strength, selection half; ring: chosen",
        lambda palette: dose_plot(concept, places, floor, palette),
    )  # fmt: skip
    if has_coherence(concept):
        yield (
            concept, f"{name}_pareto", f"{concept.name}: behaviour against coherence; ring: chosen",
            lambda palette: pareto_plot(concept, places, floor, palette),
        )  # fmt: skip
