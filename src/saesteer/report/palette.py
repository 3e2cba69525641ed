"""What the figures of a run are drawn in: the page's variables, or fixed colours for files of their own.

Series differ by colour, by marker, and from the seventh on by hollow markers and broken lines: twelve are
told apart without their colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from saesteer.report.svg import GRID, INK, MARKERS, PAPER, SERIES, SOFT, STYLE, save, svg
from saesteer.report.words import visible
from saesteer.runs import atomic


@dataclass(frozen=True)
class Palette:
    """Colours by what they are for."""

    ink: str
    soft: str
    grid: str
    paper: str
    series: tuple[str, ...]


Draw = Callable[[Palette], Figure]
PAGE: Final = Palette(INK, SOFT, GRID, PAPER, SERIES)
"""Names of the page's variables, light or dark."""
LIGHT: Final = Palette(
    "#1c1b19", "#66625b", "#dedad2", "#ffffff",
    ("#0b6bb8", "#c8501a", "#0a8a66", "#7d7a75", "#a8528c", "#8a6a00"),
)  # fmt: skip
"""Those of the page in light, on white."""
DPI: Final = 160


def look(palette: Palette, place: int) -> dict[str, Any]:
    """Colour, marker and line of a series by its place; from 12 on they come again."""
    colour = palette.series[place % len(palette.series)]
    hollow = place // len(MARKERS) % 2 == 1
    return {
        "color": colour,
        "marker": MARKERS[place % len(MARKERS)],
        "markerfacecolor": palette.paper if hollow else colour,
        "linestyle": (0, (4, 1.6)) if hollow else "-",
    }


def inline(draw: Draw, key: str, alt: str) -> Markup:
    """The figure as an element of the page."""
    with matplotlib.rc_context(_style(PAGE)):
        return svg(draw(PAGE), key, alt)


def write_figure(draw: Draw, path: Path, title: str, legend: dict[str, int]) -> Path:
    """The figure as .svg or .png with title and legend (label -> place); equal figures, equal bytes."""
    kind = path.suffix.lower().removeprefix(".")
    with matplotlib.rc_context(_style(LIGHT) | {"svg.hashsalt": path.stem}), atomic(path) as temporary:
        figure = draw(LIGHT)
        handles = [
            Line2D([], [], label=visible(label), **look(LIGHT, place)) for label, place in legend.items()
        ]
        figure.legend(
            handles=handles, title=visible(title), loc="lower left", bbox_to_anchor=(0.02, 1.0), ncols=2,
            frameon=False, fontsize=8, alignment="left",
        )  # fmt: skip
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        save(
            figure, temporary, format=kind, dpi=DPI, bbox_inches="tight", metadata=metadata,
            facecolor=LIGHT.paper,
        )  # fmt: skip
    return path


def _style(palette: Palette) -> Any:
    """What matplotlib is told; its keys are literals to the type checker."""
    own = {INK: palette.ink, SOFT: palette.soft, GRID: palette.grid}
    return {name: own.get(value, value) if isinstance(value, str) else value for name, value in STYLE.items()}
