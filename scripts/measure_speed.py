"""What steering costs: steered against unsteered generation, and sixteen strengths in one batch against
sixteen runs.

    python scripts/measure_speed.py [--pairs 30] [--json docs/figures/speed.json]

Ratios of runs that follow each other in alternating order; medians with the 10th and 90th percentile.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from saesteer import load_concept, load_model, load_sae, steer
from saesteer.methods import diffmean, sae_decoder
from saesteer.world.texts import openings


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(a: Callable[[], object], b: Callable[[], object], pairs: int) -> dict[str, float]:
    """The ratio a / b, pair by pair, the order alternating."""
    ratios, times = [], []
    a(), b()
    for i in range(pairs):
        if i % 2:
            first, second = seconds(a), seconds(b)
        else:
            second, first = seconds(b), seconds(a)
        ratios.append(first / second)
        times.append((first, second))
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return {
        "ratio_median": round(float(middle), 4),
        "ratio_p10": round(float(low), 4),
        "ratio_p90": round(float(high), 4),
        "a_seconds": round(float(np.median([t[0] for t in times])), 4),
        "b_seconds": round(float(np.median([t[1] for t in times])), 4),
        "pairs": pairs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    lm, sae, concept = load_model("world"), load_sae("world/layers.3"), load_concept("world/wedding")
    spec = diffmean(lm, concept, at="layers.3").with_strength(0.3)
    latent = sae_decoder(lm, concept, sae, at="layers.3").with_strength(0.3)
    prompts = openings(16)

    def generate(texts: list[str]) -> None:
        lm.generate(texts, max_new_tokens=40, temperature=1.0, seed=0, stop=False)

    def steered(texts: list[str], what: object, strengths: list[float] | None = None) -> None:
        with steer(lm, what, strengths=strengths):
            generate(texts)

    figures = {}
    for rows in (16, 256):
        texts = [prompts[i % 16] for i in range(rows)]
        for name, what in (("diffmean", spec), ("sae_decoder", latent)):
            figures[f"steered_over_plain_{name}_{rows}_rows"] = paired(
                lambda texts=texts, what=what: steered(texts, what),
                lambda texts=texts: generate(texts),
                args.pairs,
            )
    grid = [0.05 * i for i in range(16)]
    many = [text for _ in grid for text in prompts]
    each = [strength for strength in grid for _ in prompts]

    def one_by_one() -> None:
        for strength in grid:
            steered(prompts, spec, [strength] * len(prompts))

    figures["sixteen_strengths_in_one_batch_over_sixteen_runs"] = paired(
        lambda: steered(many, spec, each), one_by_one, max(5, args.pairs // 3)
    )
    print(json.dumps(figures, indent=1))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
