"""Measure what steering costs under lm_eval, on the world: grammar, facts and memory against strength.

    python scripts/measure_lm_eval.py [--items 200]

A spec of the difference of means for world/wedding and a random direction, each at four strengths in mean
residual norms, beside the unsteered model. Questions in pairs about one story are not independent: their
standard errors by pairs are noted too. Writes docs/figures/lm_eval.json, the pictures lm_eval.png and
.svg beside it, and the table in docs/lm_eval.md. Work that was broken off goes on where it was (--folder).
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from saesteer.harness import command, tables
from saesteer.harness.deltas import Delta, Scores
from saesteer.harness.sweep import Sweep, sweep
from saesteer.methods import diffmean, random_direction
from saesteer.model import load_model
from saesteer.report.harness_plot import write_deltas_plot
from saesteer.runs import read_json, write_json
from saesteer.world.tasks import MAKERS, write_task

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "lm_eval.json"
PAGE: Final = DOCS / "lm_eval.md"
MARK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
AT: Final = "layers.3"
STRENGTHS: Final = (0.25, 0.5, 1.0, 2.0)
PAIRED: Final = "world_tracking"


def measured(folder: Path, items: int | None) -> tuple[Sweep, float]:
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


def by_pairs(found: Sweep) -> dict[str, dict[str, float]]:
    """Standard errors of accuracy and of its change, by setting, where each pair of questions counts once."""
    right = {}
    for name, place in found.about["settings"].items():
        scores = [Scores(**each) for each in read_json(found.folder / place / "scores.json")]
        (items,) = (each.items for each in scores if each.task == PAIRED and each.metric == "acc")
        ordered = [items[key][0] for key in sorted(items, key=int)]
        right[name] = np.array(ordered).reshape(-1, 2).mean(1)
    plain = right["unsteered"]
    return {name: {"score": _error(pairs), "change": _error(pairs - plain)} for name, pairs in right.items()}


def _error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def record(found: Sweep, seconds: float) -> dict[str, Any]:
    """What the page is made of; no path of the machine."""
    kept = {key: found.about[key] for key in ("version", "versions", "model", "tasks")}
    plain = [{**vars(each), "items": len(each.items)} for each in found.plain]
    return kept | {
        "seconds": round(seconds),
        "by_pairs": by_pairs(found),
        "plain": plain,
        "rows": [row.to_dict() for row in found.rows],
    }


def table(held: dict[str, Any]) -> str:
    """The part of the page between its marks."""
    rows = [Delta(**each) for each in held["rows"]]
    plain = [Scores(**{**each, "items": dict.fromkeys(range(each["items"]), 0.0)}) for each in held["plain"]]
    errors = held["by_pairs"]
    about = (
        f"{held['seconds']} seconds of one thread, lm_eval's own scores. By pairs of questions the standard "
        f"error of {PAIRED} is {errors['unsteered']['score']:.4f} unsteered and at most "
        f"{max(each['score'] for each in errors.values()):.4f}, that of a change at most "
        f"{max(each['change'] for each in errors.values()):.4f}."
    )
    return f"\n{tables.markdown(rows, plain)}\n{about}\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, help="of each task, an even number; default: the task's own")
    parser.add_argument("--folder", type=Path, help="of the runs; default: one that is deleted afterwards")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found, seconds = measured(folder, given.items)
        held = record(found, seconds)
    write_json(RECORD, held)
    for ending in ("png", "svg"):
        write_deltas_plot(found.rows, RECORD.with_suffix(f".{ending}"))
    PAGE.write_text(MARK.sub(lambda _: table(read_json(RECORD)), PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
