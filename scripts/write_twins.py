"""Write docs/twins.md from docs/figures/twins.json.

python scripts/write_twins.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from write_figures import table

ROOT: Final = Path(__file__).parents[1]
RECORD: Final = ROOT / "docs/figures/twins.json"
TITLES: Final = {
    "scar": "SCAR: a conditioned latent against insults",
    "topic_alignment": "IBM sae-steering: topic alignment",
    "sae_ts": "SAE-TS: vectors built for their effects",
    "auto_interp": "sae-auto-interp: explain and score",
}
HEAD: Final = """\
# Five published experiments, offline

`python scripts/measure_twins.py --json docs/figures/twins.json`, then `python scripts/write_twins.py`

Each folder of [examples](../examples) holds the plan of a published system's experiment for the real
models, and a second file that lays model, SAE, data and judge of the embedded world over it. Here are the
offline runs, by the commands of each folder's page. They are small: they show that the way holds from end
to end, and what it costs; what the methods are worth is measured at full size on the pages named.
Behaviour and coherence are on prompts that had no say in choosing a setting, with 95 % intervals over whole
prompts; with few prompts these are wide. KL is of the texts that are read, in nats per token. The fifth
system, lm-evaluation-harness on steered models, is on [its own page](lm_eval.md), with its parity.
"""
MORE: Final = {
    "scar": "At full size: [scar.md](scar.md). Less of the behaviour is aimed at.",
    "topic_alignment": "At full size: [topic_alignment.md](topic_alignment.md).",
    "sae_ts": "At full size: [effects_world.md](effects_world.md) and [methods_compared.md]"
    "(methods_compared.md). The approximator has seen few vectors here.",
    "auto_interp": "At full size: [interpretation_world.md](interpretation_world.md).",
}


def page(record: Mapping[str, Any] | None = None) -> str:
    """The page of a record; of the kept one where none is given."""
    held = json.loads(RECORD.read_text(encoding="utf-8")) if record is None else record
    lines = [HEAD]
    for name in TITLES:
        lines += [
            f"## {TITLES[name]}",
            "",
            f"[examples/{name}](../examples/{name}/README.md). {MORE[name]}",
            "",
        ]
        lines += [f"    {line}" for line in held[name]["commands"]] + [""]
        lines += _scorers(held[name]) if "summary" in held[name] else _methods(name, held[name])
        if "deltas" in held[name]:
            lines += _deltas(held[name])
    return "\n".join(lines).rstrip() + "\n"


def _methods(name: str, found: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            row["concept"], row["method"], row["setting"].lstrip("'") or "none", _one(row, "base_behaviour"),
            _one(row, "behaviour"), _one(row, "coherence"), _one(row, "beside_kl", 3),
            f"{row['samples']} / {row['prompts']}" if row["samples"] else "",
        ]
        for row in found["rows"]
    ]  # fmt: skip
    head = ["concept", "method", "chosen", "base rate", "behaviour", "coherence", "KL", "texts / prompts"]
    return [*table(head, rows), f"![Behaviour by concept and method](figures/twins/{name}.png)", ""]


def _scorers(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for each in found["summary"]:
        mean = each["mean"]
        shown = f"{mean['estimate']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]" if mean else "-"
        rows.append([each["scorer"], each["headline"], str(each["latents"]), shown])
    return table(["scorer", "figure", "latents", "mean, 95 %"], rows)


def _deltas(found: Mapping[str, Any]) -> list[str]:
    """What steering cost in ability, by lm_eval's tasks of the world."""
    rows = [
        [row["setting"], row["task"], str(row["items"]), f"{row['plain']:.3f}", f"{row['delta']:+.3f}",
         "-" if row["p_holm"] is None else f"{row['p_holm']:.3f}"]
        for row in found["deltas"]
    ]  # fmt: skip
    return [
        "What it costs in ability (`costs/deltas.md`):", "",
        *table(["setting", "task", "items", "unsteered", "change", "p (Holm)"], rows),
    ]  # fmt: skip


def _one(row: Mapping[str, str], name: str, digits: int = 2) -> str:
    if not row[name]:
        return "-"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    shown = f"{float(row[name]):.{digits}f}"
    return f"{shown} [{float(low):.{digits}f}, {float(high):.{digits}f}]" if low and high else shown


def main() -> None:
    (ROOT / "docs/twins.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
