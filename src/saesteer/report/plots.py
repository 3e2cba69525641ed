"""The figures of a report on steering. Knows records and shapes; methods differ by colour and marker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from saesteer.evaluation.figures import known
from saesteer.report.palette import Palette, look
from saesteer.report.records import ConceptResult, MethodResult, Report
from saesteer.report.svg import margins
from saesteer.report.words import cut, unit
from saesteer.statistics import Interval
from saesteer.text.concepts import bare_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def place_of(report: Report) -> dict[str, int]:
    """Method -> its place among the series: one colour, marker and line in the whole report."""
    return {each.method: place for place, each in enumerate(report.methods)}


def has_coherence(concept: ConceptResult) -> bool:
    """Whether somebody judged it, at every point and of the unsteered model."""
    points = [point.coherence for method in concept.methods for point in method.points]
    return None not in (*points, concept.base.coherence)


def dose_plot(concept: ConceptResult, places: dict[str, int], floor: float, palette: Palette) -> Figure:
    """Behaviour, and below it coherence, against strength, with intervals and the chosen strength."""
    both = has_coherence(concept)
    figure = Figure(figsize=(4.5, 4.1 if both else 2.8))
    ratios = [3, 2] if both else [1]
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    label, longest = _scale(concept)
    names = ("behaviour", "coherence")[: len(panels)]
    for axes, name in zip(panels, names, strict=True):
        axes.grid(axis="y")
        for method in swept(concept):
            x = [point.strength / longest.get(method.method, 1.0) for point in method.points]
            _band(axes, x, [known(getattr(point, name)) for point in method.points], places, method, palette)
        base = known(getattr(concept.base, name)).estimate
        axes.axhline(base, color=palette.soft, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_ylabel(name)
        axes.margins(x=0.03)
    panels[0].set_ylim(bottom=0)
    if both:
        lowest = min([floor, *(known(point.coherence).low for m in swept(concept) for point in m.points)])
        panels[1].axhspan(floor, 1.02, color=palette.soft, alpha=0.08, linewidth=0)
        panels[1].set_ylim(max(0.0, lowest - 0.03), 1.02)
    panels[-1].set_xlabel(label)
    margins(figure, left=0.55)
    figure.subplots_adjust(hspace=0.1)
    return figure


def pareto_plot(concept: ConceptResult, places: dict[str, int], coherence: float, palette: Palette) -> Figure:
    """The way of each method through coherence and behaviour as its strength grows, beside prompting."""
    figure = Figure(figsize=(4.5, 4.1))
    axes = figure.add_subplot()
    axes.grid()
    axes.axvspan(coherence, 1.02, color=palette.soft, alpha=0.08, linewidth=0)
    for method in swept(concept):
        way = [(known(p.coherence).estimate, p.behaviour.estimate) for p in method.points]
        axes.plot(*zip(*way, strict=True), **look(palette, places[method.method]))
        _ring(axes, method, way, palette)
    for method in concept.methods:
        if not method.points and method.outcome and method.outcome.figures.coherence:
            _cross(axes, method, places[method.method], palette)
    base = concept.base
    axes.plot(known(base.coherence).estimate, base.behaviour.estimate, "x", color=palette.ink)
    axes.set_xlabel(f"coherence (shaded: {coherence:g} or more)")
    axes.set_ylabel("behaviour")
    axes.set_xlim(min(0.4, _lowest(concept)) - 0.02, 1.02)
    axes.set_ylim(bottom=0)
    margins(figure, left=0.55)
    return figure


def overview_plot(report: Report, places: dict[str, int], width: float, palette: Palette) -> Figure:
    """Behaviour of every method on every concept, with intervals, over a bar for the base rate."""
    methods = report.methods
    height = 0.6 + len(report.concepts) * (0.12 + 0.085 * len(methods))
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.grid(axis="x")
    for row, concept in enumerate(report.concepts):
        base = concept.base.behaviour.estimate
        axes.barh(row, base, height=0.82, color=palette.soft, alpha=0.22, linewidth=0)
        for place, each in enumerate(methods):
            y = row + (place - (len(methods) - 1) / 2) * 0.62 / len(methods)
            _whisker(axes, concept.method(each.method), places, y, palette)
    axes.set_yticks(range(len(report.concepts)), [short(each.name) for each in report.concepts])
    axes.tick_params(axis="y", length=0, labelcolor=palette.ink)
    axes.set_ylim(len(report.concepts) - 0.45, -0.55)
    axes.set_xlim(left=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("behaviour on the test half, 95 % intervals")
    longest = max(len(short(each.name)) for each in report.concepts)
    margins(figure, left=min(1.8, 0.15 + 0.075 * longest))
    return figure


def swept(concept: ConceptResult) -> list[MethodResult]:
    """The methods that were tried at several strengths."""
    return [method for method in concept.methods if method.points]


def short(name: str) -> str:
    """A name without the family that it is of, of 28 letters at most."""
    return cut(bare_name(name), 28)


def _band(
    axes: Axes,
    x: Sequence[float],
    found: Sequence[Interval],
    places: dict[str, int],
    method: MethodResult,
    palette: Palette,
) -> None:
    """A curve in its intervals, which are paler where they are many."""
    drawn = look(palette, places[method.method])
    low, high = [each.low for each in found], [each.high for each in found]
    alpha = 0.14 if len(places) <= 4 else 0.07
    axes.fill_between(x, low, high, color=drawn["color"], alpha=alpha, linewidth=0)
    y = [each.estimate for each in found]
    axes.plot(x, y, **drawn)
    _ring(axes, method, list(zip(x, y, strict=True)), palette)


def _whisker(
    axes: Axes, result: MethodResult | None, places: dict[str, int], y: float, palette: Palette
) -> None:
    if result is None or result.outcome is None:
        return
    found, drawn = result.outcome.figures.behaviour, look(palette, places[result.method])
    axes.plot([found.low, found.high], [y, y], color=drawn["color"], linewidth=1.3, solid_capstyle="butt")
    axes.plot(found.estimate, y, **drawn | {"linestyle": "", "markersize": 4})


def _cross(axes: Axes, method: MethodResult, place: int, palette: Palette) -> None:
    """A point with both its intervals."""
    assert method.outcome is not None
    found, drawn = method.outcome.figures, look(palette, place)
    x, y = known(found.coherence), found.behaviour
    axes.plot([x.low, x.high], [y.estimate] * 2, color=drawn["color"], linewidth=1)
    axes.plot([x.estimate] * 2, [y.low, y.high], color=drawn["color"], linewidth=1)
    axes.plot(x.estimate, y.estimate, **drawn | {"linestyle": "", "markersize": 6})


def _ring(axes: Axes, method: MethodResult, points: Sequence[tuple[float, float]], palette: Palette) -> None:
    """Mark the chosen strength."""
    if method.outcome is None:
        return
    for point, (x, y) in zip(method.points, points, strict=True):
        if point.strength == method.outcome.setting.strength:
            axes.plot(
                x, y, "o", markersize=10, markerfacecolor="none", markeredgecolor=palette.ink,
                markeredgewidth=1.2,
            )  # fmt: skip


def _scale(concept: ConceptResult) -> tuple[str, dict[str, float]]:
    """What stands below the axis, and what each method's strengths are divided by."""
    units = {method.unit for method in swept(concept)}
    if len(units) > 1:
        strongest = {m.method: max(abs(p.strength) for p in m.points) or 1.0 for m in swept(concept)}
        return "strength, over the strongest of each method (units differ)", strongest
    named = unit(next(iter(units), ""))
    return (f"strength ({named})" if named else "strength"), {}


def _lowest(concept: ConceptResult) -> float:
    values = [known(point.coherence).estimate for method in swept(concept) for point in method.points]
    return min([*values, known(concept.base.coherence).estimate])
