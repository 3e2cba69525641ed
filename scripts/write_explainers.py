"""Write the figures and latents of docs/explainers.md from docs/figures/explainers.json.

    python scripts/write_explainers.py

The words around them are written by hand; between the marks nothing is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "explainers.json"
PAGE: Final = DOCS / "explainers.md"
SHOWN: Final = 8
"""Latents with a concept that the page shows, beside those without."""


def page() -> str:
    """The page with its parts made anew."""
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in {"figures": figures(found["saes"]), "latents": latents(found["saes"])}.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        text = between.sub(lambda _, lines=lines: "\n".join(["", *lines, "", ""]), text)
    return text


def figures(saes: dict[str, Any]) -> list[str]:
    """How many of the latents that stand for a concept are said to."""
    head = ["SAE", "windows of each kind", "names its concept", "without what it promotes", "milliseconds"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, sae in saes.items():
        for windows, rows in sae["concepts"].items():
            counts = [sum(row[key] for row in rows) for key in ("named", "named_by_contexts")]
            shares = [f"{count} of {len(rows)}" for count in counts]
            cells = [f"`{name}`", windows, *shares, f"{sae['milliseconds'][windows]:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def latents(saes: dict[str, Any]) -> list[str]:
    """The first ones of the first SAE, and those that were drawn."""
    sae = next(iter(saes.values()))
    rows = next(iter(sae["concepts"].values()))[:SHOWN]
    known = [f"- {row['latent']} ({row['concept']}): {row['text']}" for row in rows]
    drawn = [f"- {row['latent']}: {row['text'] or 'nothing separates'}" for row in sae["others"]]
    return ["Latents that stand for a concept:", "", *known, "", "Latents that were drawn:", "", *drawn]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
