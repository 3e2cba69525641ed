"""What steering changed in lm_eval's scores as a picture: a panel per metric. Knows the rows of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib
from matplotlib.figure import Figure

from saesteer.report.svg import save
from saesteer.report.words import visible
from saesteer.runs import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saesteer.harness.deltas import Delta

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
_MARKERS: Final = ("o", "s", "D", "^", "v", "P")
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "deltas",
    "text.parse_math": False,
}
_WIDE: Final = 1.96
"""Standard errors on either side."""


def write_deltas_plot(rows: Sequence[Delta], path: str | Path) -> Path:
    """Write the picture as .png or .svg, whole or not at all; equal rows give equal files."""
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    with matplotlib.rc_context(_STYLE), atomic(path) as temporary:
        extra: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
        save(deltas_figure(rows), temporary, format=kind, dpi=160, **extra)
    return path


def deltas_figure(rows: Sequence[Delta]) -> Figure:
    """Change against the unsteered model, with 95 % intervals, by strength, or by setting without one."""
    panels = list(dict.fromkeys((row.task, row.metric, row.filter) for row in rows))
    figure = Figure(figsize=(6.4, 0.6 + 2.3 * max(len(panels), 1)), layout="constrained")
    specs = list(dict.fromkeys(row.spec for row in rows))
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, place + 1)
        own = [row for row in rows if (row.task, row.metric, row.filter) == panel]
        for number, spec in enumerate(specs):
            _series(axes, [row for row in own if row.spec == spec], spec, number % len(_COLOURS))
        axes.axhline(0, color="#555555", linewidth=0.8, linestyle=":")
        axes.set_title(visible(f"{panel[0]}: {panel[1]}"), fontsize=9, loc="left")
        axes.set_ylabel("change")
        if place == 0 and len(specs) > 1:
            axes.legend(fontsize=8, frameon=False)
    if panels and all(row.strength is not None for row in rows):
        figure.axes[-1].set_xlabel("strength, in the spec's unit")
    return figure


def _series(axes: Axes, rows: Sequence[Delta], spec: str, place: int) -> None:
    swept = all(row.strength is not None for row in rows)
    rows = sorted(rows, key=lambda row: row.strength or 0.0) if swept else list(rows)
    x: Any = [row.strength for row in rows] if swept else [visible(row.setting) for row in rows]
    errors = [_WIDE * (row.delta_stderr or 0.0) for row in rows]
    axes.errorbar(
        x,
        [row.delta for row in rows],
        yerr=errors,
        color=_COLOURS[place],
        marker=_MARKERS[place],
        markersize=4,
        linewidth=1.4 if swept else 0,
        elinewidth=1,
        capsize=2,
        label=visible(spec),
    )
