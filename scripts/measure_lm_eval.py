"""Measure what steering costs under lm_eval, on the world: grammar and facts of stories against strength.

    python scripts/measure_lm_eval.py [--items 200]

A spec of the difference of means for world/wedding and a random direction, each at four strengths in mean
residual norms, beside the unsteered model. Writes docs/figures/lm_eval.json, the pictures lm_eval.png and
.svg beside it, and the table in docs/lm_eval.md. Work that was broken off goes on where it was (--folder).
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch

from saesteer.harness import command, tables
from saesteer.harness.deltas import Delta, Scores
from saesteer.harness.sweep import Sweep, sweep
from saesteer.methods import diffmean, random_direction
from saesteer.model import load_model
from saesteer.report.harness_plot import write_deltas_plot
from saesteer.runs import read_json, write_json
from saesteer.world.tasks import ITEMS, MAKERS, write_task

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "lm_eval.json"
PAGE: Final = DOCS / "lm_eval.md"
MARK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
AT: Final = "layers.3"
STRENGTHS: Final = (0.25, 0.5, 1.0, 2.0)


def measured(folder: Path, items: int) -> tuple[Sweep, float]:
    """The sweep, and the seconds of the processor that it took."""
    lm = load_model("world")
    specs = [folder / "wedding.yaml", folder / "random.yaml"]
    diffmean(lm, "world/wedding", AT).save(specs[0])
    random_direction(lm, AT, seed=0).save(specs[1])
    tasks = [str(write_task(name, folder / "tasks", items)) for name in MAKERS]
    words = ["--tasks", ",".join(tasks), "--device", "cpu", "--batch_size", "64"]
    start = time.process_time()
    found = sweep(command.parse([*words, "--output_path", str(folder)], {}), specs, list(STRENGTHS))
    return found, time.process_time() - start


def record(found: Sweep, items: int, seconds: float) -> dict[str, Any]:
    """What the page is made of; no path of the machine."""
    kept = {key: found.about[key] for key in ("version", "versions", "model", "tasks")}
    plain = [{**vars(each), "items": len(each.items)} for each in found.plain]
    return kept | {
        "items": items,
        "seconds": round(seconds),
        "plain": plain,
        "rows": [row.to_dict() for row in found.rows],
    }


def table(held: dict[str, Any]) -> str:
    """The part of the page between its marks."""
    rows = [Delta(**each) for each in held["rows"]]
    plain = [Scores(**{**each, "items": dict.fromkeys(range(each["items"]), 0.0)}) for each in held["plain"]]
    about = (
        f"{held['items']} items of each task, {held['seconds']} seconds of one thread, lm_eval's own scores."
    )
    return f"\n{tables.markdown(rows, plain)}\n{about}\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--folder", type=Path, help="of the runs; default: one that is deleted afterwards")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found, seconds = measured(folder, given.items)
    write_json(RECORD, record(found, given.items, seconds))
    for ending in ("png", "svg"):
        write_deltas_plot(found.rows, RECORD.with_suffix(f".{ending}"))
    PAGE.write_text(MARK.sub(lambda _: table(read_json(RECORD)), PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
