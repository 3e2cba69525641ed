"""Measure what steering the embedded world's model costs, and compare two strengths on the same prompts.

    python scripts/measure_side_effects.py

The latent that tells a wedding best is added at several strengths. Stories nobody was trained on are read,
openings are continued; the same openings, with samples and the oracle, give the paired comparison. Writes the
record docs/figures/side_effects.json and the tables in docs/measures.md.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from saesteer.evaluation import Setting, side_effects, sweep
from saesteer.methods import METHODS
from saesteer.model import load_model
from saesteer.runs import plain, write_json
from saesteer.saes import load_sae
from saesteer.text import load_concept
from saesteer.world.story import tell
from saesteer.world.texts import openings

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "side_effects.json"
PAGE: Final = DOCS / "measures.md"
MARK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
STRENGTHS: Final = (0.1, 0.2, 0.4, 0.8)
SHOWN: Final = {
    "perplexity": "perplexity", "added_nats": "added nats", "kl": "KL", "drift_share": "drift, share",
    "first_divergence": "first divergence", "never_diverges": "never", "written_perplexity": "written, plain",
    "repeated": "repeated trigrams", "longest_repeat": "longest repeat",
}  # fmt: skip
STORIES: Final = 51_000_000


def measure() -> dict[str, Any]:
    """Side effects at each strength, and each strength against none."""
    lm, sae, concept = load_model("world"), load_sae("world/layers.3"), load_concept("world/wedding")
    spec = METHODS.get("sae_decoder")(lm, concept, sae, source="world/layers.3")
    stories, prompts = [tell(STORIES + number).text for number in range(40)], openings(40)
    found = side_effects(lm, spec, STRENGTHS, stories, prompts, sae, against=STRENGTHS[0], changed=3)
    result = sweep(lm, spec, concept, [0.0, *STRENGTHS], prompts, 4, "oracle", method="sae_decoder")
    base = Setting(concept.name, "sae_decoder", "", 0.0)
    compared = [
        each for figure in ("behaviour", "coherence")
        for each in result.compare_with(base, figure=figure, half="test")
    ]  # fmt: skip
    return {
        "targets": found.provenance["plan"]["targets"],
        "unit": spec.interventions[0].strength.unit,
        "effects": [plain(each) for each in found.summary],
        "changed": [plain(each) for each in found.changed],
        "comparisons": [plain(each) | {"needed": each.power and each.power.needed} for each in compared],
    }


def tables(record: dict[str, Any]) -> str:
    """The tables of the page."""
    lines = [
        f"| strength | {' | '.join(SHOWN.values())} |", "|" + "---|" * (len(SHOWN) + 1),
        *(_effect(each) for each in record["effects"]), "",
        f"Strengths in {record['unit']}; target: latent {', '.join(map(str, record['targets']))}. Of "
        "the others changed most, mean per token before and after:", "",
        *(_changed(each) for each in record["changed"]), "",
        "| strength against 0, test half | figure | difference | p | Holm | d | rank-biserial | Cliff's "
        "delta | prompts | samples | failed | prompts needed |",
        "|" + "---|" * 12, *(_compared(each) for each in record["comparisons"]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _effect(each: dict[str, Any]) -> str:
    return (
        f"| {each['strength']:g} | " + " | ".join(_told(each["figures"].get(name)) for name in SHOWN) + " |"
    )


def _changed(each: dict[str, Any]) -> str:
    told = (f"{one['latent']} ({one['before']:.2f} to {one['after']:.2f})" for one in each["off_target"])
    return f"- {each['strength']:g}: {', '.join(told)}"


def _compared(each: dict[str, Any]) -> str:
    sizes = (f"{each[name]:.2f}" for name in ("cohens_d", "rank_biserial", "cliffs_delta"))
    return (
        f"| {each['one']['strength']:g} | {each['figure']} | {_told(each['difference'])} | {each['p']:.2g} | "
        f"{each['p_adjusted']:.2g} | {' | '.join(sizes)} | {each['prompts']} | {sum(each['samples'])} | "
        f"{sum(each['failed'])} | {each['needed'] or '-'} |"
    )


def _told(interval: dict[str, float] | None) -> str:
    if interval is None:
        return "-"
    return f"{interval['estimate']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})"


def page() -> str:
    """The page with the tables of the record."""
    text = PAGE.read_text(encoding="utf-8")
    return MARK.sub(lambda _: tables(json.loads(RECORD.read_text(encoding="utf-8"))), text)


def main() -> None:
    """Measure, and write both files."""
    write_json(RECORD, measure())
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
