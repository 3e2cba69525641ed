"""The figures of a report on steering. Knows records and shapes; methods differ by colour and marker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from saesteer.evaluation.figures import known
from saesteer.report.records import ConceptResult, MethodResult, Report
from saesteer.report.svg import INK, MARKERS, SERIES, SOFT, STYLE, margins, svg
from saesteer.report.words import unit, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def place_of(report: Report) -> dict[str, int]:
    """Method -> its place among the series: one colour and marker in the whole report."""
    return {each.method: place % len(SERIES) for place, each in enumerate(report.methods)}


def product_plot(concept: ConceptResult, places: dict[str, int], key: str) -> Markup:
    """Product of behaviour and coherence against strength, with intervals and the chosen strength."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 2.8))
        axes = figure.add_subplot()
        axes.grid(axis="y")
        for method in _swept(concept):
            colour, x = SERIES[places[method.method]], [each.strength for each in method.points]
            products = [known(each.product, "product") for each in method.points]
            low, high = [each.low for each in products], [each.high for each in products]
            axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
            y = [each.estimate for each in products]
            axes.plot(x, y, color=colour, marker=MARKERS[places[method.method]])
            _ring(axes, method, list(zip(x, y, strict=True)))
        base = known(concept.base.product, "product").estimate
        axes.axhline(base, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xlabel(_unit(concept))
        axes.set_ylabel("behaviour × coherence")  # noqa: RUF001
        axes.set_ylim(bottom=0)
        axes.margins(x=0.03)
        margins(figure, left=0.55)
        return svg(figure, key, f"Product of behaviour and coherence against strength for {concept.name}.")


def pareto_plot(concept: ConceptResult, places: dict[str, int], coherence: float, key: str) -> Markup:
    """The way of each method through coherence and behaviour as its strength grows, beside prompting."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 2.8))
        axes = figure.add_subplot()
        axes.grid()
        axes.axvspan(coherence, 1.02, color=SOFT, alpha=0.08, linewidth=0)
        for method in _swept(concept):
            colour, marker = SERIES[places[method.method]], MARKERS[places[method.method]]
            way = [(known(p.coherence).estimate, p.behaviour.estimate) for p in method.points]
            axes.plot(*zip(*way, strict=True), color=colour, marker=marker)
            _ring(axes, method, way)
        for method in concept.methods:
            if not method.points and method.outcome:
                _cross(axes, method, places[method.method])
        base = concept.base
        axes.plot(known(base.coherence).estimate, base.behaviour.estimate, "x", color=INK)
        axes.set_xlabel(f"coherence (shaded: {coherence:g} or more)")
        axes.set_ylabel("behaviour")
        axes.set_xlim(min(0.4, _lowest(concept)) - 0.02, 1.02)
        axes.set_ylim(bottom=0)
        margins(figure, left=0.55)
        return svg(figure, key, f"Behaviour against coherence as the strength grows, for {concept.name}.")


def overview_plot(report: Report, places: dict[str, int], width: float, key: str) -> Markup:
    """Behaviour of every method on every concept, with intervals, over a bar for the base rate."""
    methods = report.methods
    with matplotlib.rc_context(STYLE):
        height = 0.6 + len(report.concepts) * (0.12 + 0.085 * len(methods))
        figure = Figure(figsize=(width, height))
        axes = figure.add_subplot()
        axes.grid(axis="x")
        for row, concept in enumerate(report.concepts):
            axes.barh(row, concept.base.behaviour.estimate, height=0.82, color=SOFT, alpha=0.22, linewidth=0)
            for place, each in enumerate(methods):
                _whisker(
                    axes, concept, each, places, row + (place - (len(methods) - 1) / 2) * 0.62 / len(methods)
                )
        axes.set_yticks(range(len(report.concepts)), [_short(each.name) for each in report.concepts])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(report.concepts) - 0.45, -0.55)
        axes.set_xlim(left=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("behaviour on the test half, 95 % intervals")
        longest = max(len(_short(each.name)) for each in report.concepts)
        margins(figure, left=min(1.8, 0.15 + 0.075 * longest))
        return svg(figure, key, "Behaviour of each method on each concept, beside the base rate.")


def _whisker(
    axes: Axes, concept: ConceptResult, method: MethodResult, places: dict[str, int], y: float
) -> None:
    result = concept.method(method.method)
    if result is None or result.outcome is None:
        return
    found, colour = result.outcome.figures.behaviour, SERIES[places[method.method]]
    axes.plot([found.low, found.high], [y, y], color=colour, linewidth=1.3, solid_capstyle="butt")
    axes.plot(found.estimate, y, MARKERS[places[method.method]], color=colour, markersize=4)


def _cross(axes: Axes, method: MethodResult, place: int) -> None:
    """A point with both its intervals."""
    assert method.outcome is not None
    found, colour = method.outcome.figures, SERIES[place]
    x, y = known(found.coherence), found.behaviour
    axes.plot([x.low, x.high], [y.estimate] * 2, color=colour, linewidth=1)
    axes.plot([x.estimate] * 2, [y.low, y.high], color=colour, linewidth=1)
    axes.plot(x.estimate, y.estimate, MARKERS[place], color=colour, markersize=6)


def _ring(axes: Axes, method: MethodResult, points: Sequence[tuple[float, float]]) -> None:
    """Mark the chosen strength."""
    if method.outcome is None:
        return
    for point, (x, y) in zip(method.points, points, strict=True):
        if point.strength == method.outcome.setting.strength:
            axes.plot(
                x, y, "o", markersize=10, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.2
            )


def _swept(concept: ConceptResult) -> list[MethodResult]:
    return [method for method in concept.methods if method.points]


def _unit(concept: ConceptResult) -> str:
    units = {method.unit for method in _swept(concept) if method.unit}
    named = unit(units.pop()) if len(units) == 1 else ""
    return f"strength ({named})" if named else "strength"


def _lowest(concept: ConceptResult) -> float:
    values = [known(point.coherence).estimate for method in _swept(concept) for point in method.points]
    return min([*values, known(concept.base.coherence).estimate])


def _short(name: str) -> str:
    return visible(name.rsplit("/", 1)[-1])
