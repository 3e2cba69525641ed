"""How figures are drawn: by matplotlib, as SVG that lives inside a page. Knows shapes, no record.

Colours are names of the page's own variables, so that a figure follows the page from light to dark; series
differ by marker too, for readers who do not see colours apart.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from saesteer.report.words import visible

# Colours that nothing else draws, each standing for a variable of the page's style.
INK, SOFT, GRID, PAPER = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04"
SERIES = tuple(f"#0a0b{place:02x}" for place in range(6))
_VARIABLES = {INK: "ink", SOFT: "soft", GRID: "grid", PAPER: "paper"} | {
    colour: f"series-{place}" for place, colour in enumerate(SERIES)
}
MARKERS = ("o", "s", "D", "^", "v", "P")
STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.2,
}


def margins(figure: Figure, left: float) -> None:
    """Room for the labels, in inches; fixed, because measuring it costs half of the drawing."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left / width, 0.5 / height, 1 - 0.08 / width, 1 - 0.08 / height)


def save(figure: Figure, to: Any, **how: Any) -> None:
    """`savefig`, which warns of letters that no font has: they are drawn as boxes, which the figure shows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure.savefig(to, **how)


def svg(figure: Figure, key: str, alt: str) -> Markup:
    """The figure as an element of the page: no names that clash, no addresses, colours by variable."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": key}):  # names of shapes are hashes with this salt
        save(figure, buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    opening = f'<svg {box[0]} role="img" aria-label="{escape(visible(alt))}">'
    return Markup(opening + text[text.index(">") + 1 :])
