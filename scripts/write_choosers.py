"""Write docs/choosers.md from docs/figures/choosers.json.

    python scripts/write_choosers.py

No figure is typed by hand.
"""

from __future__ import annotations

import json
from statistics import mean
from typing import Any, Final

import numpy as np
from write_figures import FOLDER, table, with_interval

from saesteer.statistics import bootstrap_mean, sign_flip_test

RECORD: Final = FOLDER / "figures" / "choosers.json"
PAGE: Final = FOLDER / "choosers.md"


def page() -> str:
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    concepts = found["concepts"]
    choosers = list(concepts[0]["first"])
    head = ["chooser", "first latent", "best of its first three", "first less contrast's first", "p"]
    head += ["Spearman", "seconds"]
    rows = [
        [
            name,
            with_interval([each["first"][name] for each in concepts]),
            with_interval([each["best_of_three"][name] for each in concepts]),
            *against(concepts, name),
            with_interval([each["spearman"][name] for each in concepts])
            if name in concepts[0]["spearman"]
            else None,
            f"{mean(each['seconds'][name] for each in concepts):.1f}",
        ]
        for name in choosers
    ]
    own = [[each["concept"], each["best"], *(each["first"][name] for name in choosers)] for each in concepts]
    pooled, strengths = mean(each["candidates"] for each in concepts), map(str, found["strengths"])
    lines = [
        "# Which latents steer",
        "",
        "`python scripts/measure_choosers.py --json docs/figures/choosers.json`, then",
        "`python scripts/write_choosers.py`",
        "",
        f"On {len(concepts)} concepts of the embedded world, the SAE at {found['at']}. Of every chooser",
        f"(docs/methods.md) the first {found['first']} latents are pooled, {pooled:.0f} per concept, and",
        f"each is steered with. Its strength (of {', '.join(strengths)} mean residual norms)",
        "is the one with the most behaviour at a coherence of 0.8 on half of the prompts; the figures are",
        "behaviour on the other half, by the oracle. Spearman: rank correlation of the chooser's figure with",
        "behaviour, within the pool. Intervals are 95 %, drawn over concepts; p by flips of signs; seconds",
        "are of one processor core. The pool is made of the choosers' own first latents, so its rank",
        "correlations favour choosers that agree with others; the best of a pool and of three is the best on",
        f"the half that counts, a little too good; p are not corrected for {len(choosers) - 1} comparisons.",
        "",
        *short(concepts),
        "",
        "## Means over concepts",
        "",
        *table(head, rows),
        "## The first latent of each, by concept",
        "",
        *table(["concept", "best of the pool", *choosers], own),
    ]
    return "\n".join(lines)


def against(concepts: list[dict[str, Any]], name: str) -> list[str | None]:
    """The difference to contrast, concept by concept, and its p."""
    if name == "contrast":
        return [None, None]
    less = [each["first"][name] - each["first"]["contrast"] for each in concepts]
    return [with_interval(less), f"{sign_flip_test(np.array(less)):.3f}"]


def short(concepts: list[dict[str, Any]]) -> list[str]:
    """The question that the issue asks, answered by the figures."""
    less = [each["first"]["output_score"] - each["first"]["contrast"] for each in concepts]
    both = [each["first"]["combined"] - each["first"]["contrast"] for each in concepts]
    better = "better" if bootstrap_mean(np.array(less)).low > 0 else "not better"
    best = mean(each["best"] for each in concepts)
    columns = sorted(concepts[0]["spearman"], key=lambda name: -mean(e["spearman"][name] for e in concepts))
    return [
        f"Does the output score choose better than contrast? On this world {better}: the behaviour of its",
        f"first latent less that of contrast's is {with_interval(less)}, with input and output evidence"
        " together",
        f"{with_interval(both)}. The best of the whole pool, which nobody knows before steering with all",
        f"of it, has {best:.2f}. Evidence of output that knows the concept foretells most: Spearman",
        ", ".join(
            f"{name} {with_interval([each['spearman'][name] for each in concepts])}" for name in columns
        )
        + ".",
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
