"""The figures of the page of an interpretation. Knows columns of scores and shapes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from saesteer.examples import Interpretation, LatentId
from saesteer.report.score_answers import Accuracy, Roc
from saesteer.report.score_columns import Column
from saesteer.report.svg import INK, MARKERS, SERIES, SOFT, STYLE, margins, svg
from saesteer.report.words import number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS: Final = 20
_DOTS: Final = 2000  # of a column in the scatter
_SIZE: Final = (4.5, 2.5)
_BESIDE: Final = 0.4  # over which intervals of the same part are spread


def spread_plot(column: Column, place: int, key: str) -> Markup:
    """How the headline is spread over latents, with its median."""
    values = np.array(list(column.values.values()))
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(column.headline.replace("_", " "), "latents")
        axes.grid(axis="y")
        counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
        axes.bar(edges[:-1], counts, 0.9 * np.diff(edges), align="edge", color=SERIES[place % len(SERIES)])
        median = float(np.median(values))
        axes.axvline(median, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(
            number(median), (median, 1), (3 if median < 0.8 * high else -3, 8),
            xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
            ha="left" if median < 0.8 * high else "right", color=INK,
        )  # fmt: skip
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.12 * counts.max())
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        return svg(figure, key, f"{column.label}: {len(values)} latents, median {number(median)}.")


def rate_plot(
    columns: Sequence[Column], interpretation: Interpretation, links: Mapping[LatentId, str], key: str
) -> Markup | None:
    """F1 against the share of tokens at which a latent fires; dots lead to the latents' pages."""
    dots = [(place, _dots(each, interpretation)) for place, each in enumerate(columns)]
    if not any(found for _, found in dots):
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("share of tokens at which a latent fires", "F1")
        axes.grid()
        for place, found in dots:
            if found:
                latents, x, y = zip(*found, strict=True)
                cloud = axes.scatter(
                    x, y, 22, SERIES[place % len(SERIES)], marker=MARKERS[place % len(MARKERS)],
                    alpha=0.75, linewidths=0,
                )  # fmt: skip
                cloud.set_urls([links.get(each) for each in latents])  # type: ignore[arg-type]
        axes.set_xscale("log")
        wide = np.ptp(np.log10([dot[1] for _, found in dots for dot in found])) > 2
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}%"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(-0.03, 1.03)
        return svg(figure, key, "F1 of each latent against its firing rate.")


def quantile_plot(found: Sequence[tuple[int, Sequence[Accuracy]]], key: str) -> Markup | None:
    """Accuracy by quantile of activation, then of silent windows; `found`: place of a column, accuracies."""
    quantiles = sorted({each.quantile for _, row in found for each in row if each.quantile is not None})
    if not quantiles and not any(row for _, row in found):
        return None
    silent = (quantiles[-1] if quantiles else -1) + 1.5
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("part of the active windows, weakest first", "right answers")
        axes.grid(axis="y")
        middle = (len(found) - 1) / 2
        for number_of, (place, row) in enumerate(found):
            _accuracy_line(axes, place, row, silent, _BESIDE * (number_of - middle) / max(1, len(found)))
        ticks = [*quantiles, *([silent] if any(e.quantile is None for _, row in found for e in row) else [])]
        axes.set_xticks(ticks, ["silent" if tick == silent else str(int(tick) + 1) for tick in ticks])
        axes.set_ylim(-0.03, 1.03)
        return svg(figure, key, "Share of right answers by part of the active windows, and of silent ones.")


def roc_plot(found: Sequence[tuple[int, Roc]], key: str) -> Markup | None:
    """The curves of all columns with probabilities."""
    if not found:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("silent windows that are said to be active", "active ones found")
        axes.grid()
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        for place, curve in found:
            axes.plot(
                curve.false_positives, curve.true_positives, color=SERIES[place % len(SERIES)],
                marker=MARKERS[place % len(MARKERS)], markevery=0.15,
            )  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.01)
        return svg(figure, key, "ROC curves of the scorers' answers, pooled over latents.")


def _dots(column: Column, interpretation: Interpretation) -> list[tuple[LatentId, float, float]]:
    known = interpretation.latents
    found = [
        (latent, known[latent].density, value)
        for latent, value in column.figure("f1").items()
        if latent in known and known[latent].density > 0
    ]
    return found[:: max(1, -(-len(found) // _DOTS))]


def _accuracy_line(axes: Axes, place: int, row: Sequence[Accuracy], silent: float, beside: float) -> None:
    colour, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
    active = [(each.quantile + beside, each.share.estimate) for each in row if each.quantile is not None]
    if active:
        axes.plot(*zip(*active, strict=True), color=colour)
    for each in row:
        x = beside + (silent if each.quantile is None else each.quantile)
        axes.plot([x, x], [each.share.low, each.share.high], color=colour, linewidth=1)
        axes.plot([x], [each.share.estimate], color=colour, marker=marker)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_subplot()
    axes.set_xlabel(visible(x))
    axes.set_ylabel(y)
    margins(figure, 0.62)
    return figure, axes
