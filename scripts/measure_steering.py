"""Measure steering on every concept of the embedded world: the demo's experiment with more of everything.

    python scripts/measure_steering.py --work build/steering --json docs/figures/steering.json

Chosen on half of the prompts at a coherence of 0.8 or more, reported on the other half. Resumes where it
stood; `--set` as in `saesteer run`.
"""

import argparse
import json
import sys
from pathlib import Path

from saesteer.cli.terminal import jsonable
from saesteer.pipeline import read_experiment, run_experiment
from saesteer.pipeline.demo import FILE
from saesteer.pipeline.experiment import report_of, table_rows
from saesteer.runs import write_json
from saesteer.world.words import CONCEPTS

SETTINGS = (
    "title=Steering on every concept of the embedded world",
    f"concepts=[{', '.join(f'world/{each}' for each in CONCEPTS)}]",
    "prompts=48",
    "strengths=[0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.45]",
    "samples={selection: 2, test: 10, base: 32}",
)
KEPT = (
    "concept", "method", "setting", "reason", "behaviour", "behaviour_low", "behaviour_high", "coherence",
    "product", "ratio", "ratio_low", "lift", "lift_low", "reached", "samples",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/steering"))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the experiment")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    config = read_experiment(FILE, settings=[*SETTINGS, *args.set])
    done = run_experiment(
        config, args.work, command=" ".join(sys.argv),
        report=lambda what, i, n: print(f"{i}/{n} {what}", flush=True) if i == n else None,
    )  # fmt: skip
    rows = [kept(row) for row in table_rows(report_of(done))]
    reached: dict[str, int] = {}
    for row in rows:
        if row["reached"] is not None:
            reached[row["method"]] = reached.get(row["method"], 0) + row["reached"]
    figures = {
        "concepts_that_reach_their_goal": reached,
        "concepts": len(config.concepts),
        "rows": rows,
        "command": f"python {' '.join(sys.argv)}",
    }
    print(json.dumps(reached))
    if args.json:
        write_json(args.json, jsonable(figures))


def kept(row: dict) -> dict:
    """What the page of figures shows of a row of results."""
    base = {"base": row["base_behaviour"], "base_sentences": row["base_sentences"]}
    return base | {name: row.get(name) for name in KEPT}


if __name__ == "__main__":
    main()
