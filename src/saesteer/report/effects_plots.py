"""Figures of an approximator of effects, as files of their own. Knows figures of its accuracy; no model.

Drawn for paper and screens alike: dark on white, kinds told apart by marker and colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from saesteer.effects import Accuracy
from saesteer.errors import InputError
from saesteer.report.svg import MARKERS, save
from saesteer.report.words import visible
from saesteer.runs import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = ("svg", "png")
_COLOURS: Final = ("#0b5d8a", "#b5472b", "#4d7a2c", "#7a4a92", "#8a6d00", "#555555")
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "effects",  # names of shapes: the same figure is the same file
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.7,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "lines.markersize": 3,
}
_LOWEST: Final = -0.5
"""Left end of the histogram of R^2; what is worse stands in the first bar."""


def write_effects_plots(
    found: Sequence[Accuracy], folder: str | Path, ending: str = "svg"
) -> tuple[Path, ...]:
    """r2, scatter and effect_size as files in a folder; `found`: of all vectors, then of each kind."""
    if ending not in FORMATS:
        raise InputError(f"a figure is one of {', '.join(FORMATS)}, got {ending!r}")
    if not found:
        raise InputError("there is nothing to draw; evaluate an approximator first")
    drawn = {"r2": r2_histogram, "scatter": scatter, "effect_size": effect_size}
    paths = []
    for name, draw in drawn.items():
        with _style():
            figure = Figure(figsize=(4.8, 3.4), layout="constrained")
            draw(figure.add_subplot(), found)
            paths.append(_write(figure, Path(folder) / f"{name}.{ending}"))
    return tuple(paths)


def r2_histogram(axes: Axes, found: Sequence[Accuracy]) -> None:
    """How many latents have which R^2, of all vectors; each kind as a line."""
    edges = np.linspace(_LOWEST, 1, 31)
    for place, each in enumerate(found):
        told = each.r2[~each.r2.isnan()].numpy()
        counts, _ = np.histogram(told.clip(_LOWEST, 1), edges)
        label = f"{visible(each.kind)}: {len(told):,} of {len(each.r2):,} latents vary"
        if place == 0:
            axes.stairs(counts, edges, fill=True, color=_COLOURS[0], alpha=0.35, label=label)
        else:
            axes.stairs(counts, edges, color=_colour(place), linewidth=1.4, label=label)
    axes.set_xlabel(f"R² of a latent ({_LOWEST:g} or less stands in the first bar)")
    axes.set_ylabel("latents")
    axes.grid(axis="y")
    axes.legend(frameon=False, fontsize=8)


def scatter(axes: Axes, found: Sequence[Accuracy]) -> None:
    """Predicted against measured effects, a sample of each kind; on the line they agree."""
    kinds = found[1:] or found
    for place, each in enumerate(kinds):
        x, y = each.points.numpy().T
        label = f"{visible(each.kind)} ({each.vectors:,} vectors)"
        axes.plot(
            x,
            y,
            MARKERS[place % len(MARKERS)],
            color=_colour(place),
            alpha=0.35,
            mew=0,
            label=label,
            rasterized=True,
        )
    low, high = axes.get_xlim()
    axes.axline((0, 0), slope=1, color="#333333", linewidth=1, linestyle=(0, (2, 2)))
    axes.set_xlim(low, high)
    axes.set_xlabel("predicted effect on a latent")
    axes.set_ylabel("measured effect")
    axes.grid()
    axes.legend(frameon=False, fontsize=8)


def effect_size(axes: Axes, found: Sequence[Accuracy]) -> None:
    """R^2 of each latent against how much its effect varies: what moves is what can be predicted."""
    whole = found[0]
    told = ~whole.r2.isnan()
    size, r2 = whole.spread[told].numpy(), whole.r2[told].numpy()
    axes.plot(size, r2.clip(_LOWEST, 1), ".", color=_COLOURS[0], alpha=0.4, mew=0, rasterized=True)
    axes.axhline(0, color="#333333", linewidth=1, linestyle=(0, (2, 2)))
    if len(size):
        axes.set_xscale("log")
    axes.set_xlabel("standard deviation of the measured effect")
    axes.set_ylabel("R² of the latent")
    axes.set_ylim(_LOWEST - 0.03, 1.03)
    axes.grid()


def _style() -> AbstractContextManager[None]:
    return matplotlib.rc_context(_STYLE)


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _write(figure: Figure, path: Path) -> Path:
    ending = path.suffix[1:]
    about: dict[str, Any] = {"metadata": {"Date": None}} if ending == "svg" else {"dpi": 160}
    with atomic(path) as temporary:
        save(figure, temporary, format=ending, **about)
    return path
