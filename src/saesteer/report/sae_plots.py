"""The figures of the page of one SAE. Knows its records and shapes, not how they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from saesteer.evaluation.saes import ConceptRow, SAEReport, Spread
from saesteer.report.svg import INK, MARKERS, SERIES, SOFT, STYLE, margins, svg
from saesteer.report.words import number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saesteer.training import TrainMetrics

_SIZE: Final = (4.5, 2.5)
DETECTORS: Final = {"best latent": 0, "16 latents": 1, "whole activation": 2}
"""What tells a concept -> its place among the series."""
_CURVES: Final = {
    "loss": "loss",
    "fvu": "FVU",
    "l0": "active latents (L0)",
    "dead": "dead latents, share",
}
_ENDS: Final = {"plain": "plain", "spliced": "reconstruction", "mean": "mean in its place", "zero": "zeros"}


def density_plot(spread: Spread, dead: float, key: str) -> Markup:
    """Rates of firing on a logarithmic axis."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("share of tokens at which a latent fires", "latents")
        _bars(axes, spread)
        axes.axvline(-1, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _power(x)))
        return svg(
            figure, key, f"Histogram of firing rates; {number(100 * dead, 1)} % of latents never fire."
        )


def spread_plot(spread: Spread, label: str, key: str) -> Markup:
    """A plain histogram of latents."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(label, "latents")
        _bars(axes, spread)
        return svg(figure, key, f"Histogram over latents: {label}.")


def loss_plot(report: SAEReport, key: str) -> Markup:
    """Cross-entropy with each thing in the place of the activation."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("nats per token", "", left=1.25)
        values = [report.summary[f"loss_{name}"] or 0.0 for name in _ENDS]
        colours = (SERIES[0], SERIES[1], SOFT, SOFT)
        for place, (value, colour) in enumerate(zip(values, colours, strict=True)):
            axes.plot(value, place, MARKERS[place], color=colour, markersize=8)
            axes.annotate(
                number(value, 3), (value, place), (8, 0), textcoords="offset points", va="center", color=INK
            )
        axes.axvline(values[0], color=SERIES[0], linewidth=1, linestyle=(0, (1, 2)))
        axes.set_yticks(range(len(values)), list(_ENDS.values()))
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(values) - 0.5, -0.5)
        low, high = min(values), max(values)
        room = max(high - low, 1e-3 * abs(high), 1e-9)
        axes.set_xlim(low - 0.1 * room, high + 0.3 * room)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x")
        return svg(figure, key, "Cross-entropy of the model: plain, spliced, with the mean and with zeros.")


def concept_plot(rows: Sequence[ConceptRow], width: float, key: str) -> Markup:
    """AUROC of each concept by one latent, by 16 and by the whole activation."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, 0.7 + 0.24 * len(rows)))
        axes = figure.add_subplot()
        axes.grid(axis="x")
        axes.axvline(0.5, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        for y, row in enumerate(rows):
            values = detector_aurocs(row)
            shown = [each for each in values.values() if each is not None]
            axes.plot([min(shown), max(shown)], [y, y], color=SOFT, linewidth=0.8, alpha=0.6)
            for name, value in values.items():
                if value is not None:
                    place = DETECTORS[name]
                    axes.plot(value, y, MARKERS[place], color=SERIES[place], markersize=5)
        axes.set_yticks(range(len(rows)), [_short(row.concept) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("AUROC on held-out documents")
        axes.spines["left"].set_visible(False)
        longest = max(len(_short(row.concept)) for row in rows)
        margins(figure, left=min(1.8, 0.2 + 0.075 * longest))
        return svg(figure, key, "AUROC of the best latent, of 16 latents and of the whole activation.")


def curve_plot(records: Sequence[TrainMetrics], name: str, key: str) -> Markup | None:
    """One figure of training against tokens; None where it was not kept."""
    points = [(each.tokens, value) for each in records if (value := getattr(each, name)) == value]
    if len(points) < 2:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("tokens", _CURVES[name])
        axes.plot(*zip(*points, strict=True), color=SERIES[0], marker="" if len(points) > 30 else "o")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _count(x)))
        return svg(figure, key, f"{_CURVES[name]} during training.")


def curve_plots(records: Sequence[TrainMetrics]) -> tuple[Markup, ...]:
    """Loss, FVU, L0 and dead latents."""
    found = (curve_plot(records, name, f"t{name}") for name in _CURVES)
    return tuple(each for each in found if each is not None)


def detector_aurocs(row: ConceptRow) -> dict[str, float | None]:
    """What each detector of the plot reaches."""
    few, whole = row.probe(16), row.probe(None)
    values = (row.match.best.auroc, few.auroc if few else None, whole.auroc if whole else None)
    return dict(zip(DETECTORS, values, strict=True))


def _axes(x: str, y: str, left: float = 0.62) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_subplot()
    axes.grid(axis="y")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    margins(figure, left)
    return figure, axes


def _bars(axes: Axes, spread: Spread) -> None:
    edges = spread.edges
    widths = [high - low for low, high in pairwise(edges)]
    axes.bar(edges[:-1], spread.counts, [0.9 * each for each in widths], align="edge", color=SERIES[0])
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _power(exponent: float) -> str:
    """10 to a whole number as a share: 1, 0.1, 0.01 ..."""
    return f"{10.0**exponent:.{max(0, round(-exponent))}f}"


def _count(tokens: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:g}{letter}"
    return f"{tokens:g}"


def _short(name: str) -> str:
    text = visible(name.rsplit("/", 1)[-1])
    return text if len(text) <= 24 else f"{text[:23]}…"
