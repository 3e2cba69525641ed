"""Measure steering on every concept of the embedded world: difference of means, best latent, prompting,
random direction.

    python scripts/measure_steering.py --work build/steering [--at layers.3] [--json
    docs/figures/steering.json]

Chosen on half of the prompts at a coherence of 0.8 or more, reported on the other half. Resumes where it
stood.
"""

import argparse
import json
import sys
from pathlib import Path

from saesteer import load_concept, load_model, load_sae
from saesteer.pipeline.study import GOALS, StudyConfig, study
from saesteer.report import Report, write_report
from saesteer.world.texts import openings
from saesteer.world.words import CONCEPTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/steering"))
    parser.add_argument("--at", default="layers.3")
    parser.add_argument(
        "--depths", default="layers.2,layers.3,layers.4.mid", help="for the difference of means"
    )
    parser.add_argument("--concepts", default=",".join(CONCEPTS))
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--latents", type=int, default=6)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--test-samples", type=int, default=16)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    config = StudyConfig(
        at=args.at,
        depths=tuple(args.depths.split(",")),
        latents=args.latents,
        samples=args.samples,
        test_samples=args.test_samples,
        base_samples=32,
    )
    lm, sae = load_model("world"), load_sae(f"world/{args.at}")
    concepts = [load_concept(f"world/{name}") for name in args.concepts.split(",")]
    done = study(
        lm, sae, concepts, openings(args.prompts), "oracle", args.work / "samples", config,
        lambda what, i, n: print(f"{i}/{n} {what}", flush=True) if i % 100 == 0 else None,
    )  # fmt: skip
    record = Report(
        "Steering on every concept of the embedded world",
        done.concepts,
        command="scripts/measure_steering.py",
    )
    write_report(record, args.work / "report.html")
    reached = {
        name: sum(row.get("reached", False) for row in done.rows if row["method"] == name) for name in GOALS
    }
    figures = {
        "concepts_that_reach_their_goal": reached,
        "concepts": len(concepts),
        "rows": done.rows,
        "command": " ".join(sys.argv),
    }
    print(json.dumps(figures, indent=1, default=str))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
