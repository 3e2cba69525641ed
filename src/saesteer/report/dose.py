"""The dose-response of a calibration as a picture: what strength brings and costs. Knows records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

from saesteer.report.svg import save
from saesteer.report.words import unit, visible
from saesteer.runs import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saesteer.calibration import Calibration, Point

_BEHAVIOUR, _COHERENCE, _KL, _SAFE = "#0072b2", "#d55e00", "#555555", "#009e73"  # Okabe and Ito
_STYLE: Any = {"font.size": 9, "axes.spines.top": False, "svg.fonttype": "none", "svg.hashsalt": "dose"}


def write_dose(found: Calibration, path: str | Path) -> Path:
    """Write the picture as .png or .svg, whole or not at all; equal calibrations give equal files."""
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    with matplotlib.rc_context(_STYLE), atomic(path) as temporary:
        extra: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
        save(dose_figure(found), temporary, format=kind, dpi=160, **extra)
    return path


def dose_figure(found: Calibration) -> Figure:
    """Behaviour and coherence against strength with intervals, KL on the right, the safe window shaded."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    left = figure.add_subplot()
    judged = [each for each in found.curve if each.figures is not None]
    _line(left, judged, "behaviour", _BEHAVIOUR, "o")
    coherent = [each for each in judged if each.figures is not None and each.figures.coherence is not None]
    _line(left, coherent, "coherence", _COHERENCE, "s")
    if found.window is not None:
        left.axvspan(*found.window, color=_SAFE, alpha=0.12, linewidth=0, label="safe window")
    if found.strength is not None:
        left.axvline(found.strength.estimate, color=_SAFE, linewidth=1.4, label="chosen")
    floor = found.provenance["budget"].get("coherence")
    if floor is not None:
        left.axhline(floor, color=_COHERENCE, linewidth=0.8, linestyle=":")
    left.set_ylim(0, 1.02)
    left.set_xscale("symlog", linthresh=_smallest(found))
    named = unit(found.unit) or found.unit
    left.set_xlabel(f"strength ({visible(named)})")
    right = left.twinx()
    curve = [each for each in found.curve if each.kl.estimate < float("inf")]
    right.plot(
        [p.strength for p in curve], [p.kl.estimate for p in curve], color=_KL, linestyle="--", label="KL"
    )
    right.set_ylabel("KL(steered || plain), nats per token", color=_KL)
    right.set_ylim(bottom=0)
    handles = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    left.legend(handles=handles, fontsize=8, frameon=False, loc="center left")
    left.set_title(visible(str(found.provenance.get("concept", ""))), fontsize=9, loc="left")
    return figure


def _line(axes: Axes, points: list[Point], name: str, colour: str, marker: str) -> None:
    if not points:
        return
    x = [each.strength for each in points]
    found = [getattr(each.figures, name) for each in points]
    axes.fill_between(
        x, [f.low for f in found], [f.high for f in found], color=colour, alpha=0.14, linewidth=0
    )
    axes.plot(x, [f.estimate for f in found], color=colour, marker=marker, markersize=4, label=name)


def _smallest(found: Calibration) -> float:
    """Where the axis turns from a line to a logarithm."""
    return min((abs(each.strength) for each in found.curve), default=1.0)
