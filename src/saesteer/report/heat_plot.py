"""Concepts x methods as a map with the value in every cell, for files. Knows records and shapes."""

from __future__ import annotations

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from saesteer.report.palette import Palette
from saesteer.report.plots import short
from saesteer.report.records import MethodResult, Report
from saesteer.report.words import number, visible

CELL = "#7fb2e5"
"""Of the highest value; ink reads well on it and on all that is paler."""


def hottest(report: Report) -> float:
    """The highest behaviour of the report, which a map shades fully; 1 where there is none above 0."""
    outcomes = [method.outcome for concept in report.concepts for method in concept.methods]
    return max((each.figures.behaviour.estimate for each in outcomes if each), default=0.0) or 1.0


def heat_map(report: Report, palette: Palette) -> Figure:
    """Behaviour on the test half; hatched where no setting kept the coherence, empty where none was tried."""
    methods, top = report.methods, hottest(report)
    figure = Figure(figsize=(1.9 + 0.85 * len(methods), 1.3 + 0.34 * len(report.concepts)))
    axes = figure.add_subplot()
    for row, concept in enumerate(report.concepts):
        for column, each in enumerate(methods):
            result = concept.method(each.method)
            value = result.outcome.figures.behaviour.estimate if result and result.outcome else None
            shade = palette.paper if value is None else _mixed(palette.paper, value / top)
            box = Rectangle((column, row), 0.96, 0.92, facecolor=shade, edgecolor=palette.grid, linewidth=0.6)
            if value is None and result is not None:
                box.set_hatch("////")
            axes.add_patch(box)
            failed = report.failed(concept.name, each.method)
            axes.text(
                column + 0.48, row + 0.46, _told(result, value, failed), ha="center", va="center",
                color=palette.ink, fontsize=8 if value is not None else 6.5,
            )  # fmt: skip
    axes.set_xlim(0, len(methods))
    axes.set_ylim(len(report.concepts), 0)
    axes.set_xticks(
        [place + 0.48 for place in range(len(methods))], [visible(each.label) for each in methods],
        rotation=35, ha="right", rotation_mode="anchor",
    )  # fmt: skip
    axes.set_yticks(
        [row + 0.46 for row in range(len(report.concepts))], [short(c.name) for c in report.concepts]
    )
    axes.tick_params(length=0, labelcolor=palette.ink)
    figure.subplots_adjust(top=0.98)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _told(result: MethodResult | None, value: float | None, failed: bool) -> str:
    if result is None:
        return "failed" if failed else "not tried"
    return "none\ncoherent" if value is None else number(value)


def _mixed(paper: str, share: float) -> tuple[float, ...]:
    share = min(1.0, max(0.0, share))
    return tuple(p + (c - p) * share for p, c in zip(to_rgb(paper), to_rgb(CELL), strict=True))
