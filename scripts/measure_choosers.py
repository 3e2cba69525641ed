"""Measure which way of choosing latents finds those that steer, on concepts of the embedded world.

    python scripts/measure_choosers.py --work build/choosers [--json docs/figures/choosers.json]

Every chooser's first latents are pooled, and each of them is steered with: its strength is chosen on half of
the prompts at a coherence of 0.8 or more, its behaviour is measured on the other half. Resumes where it was.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from saesteer import load_concept, load_model, load_sae
from saesteer.concepts import (
    CHOOSERS,
    align_topic,
    neutral_prompts,
    output_effect,
    output_scores,
    rank_latents,
    text_lift,
)
from saesteer.errors import SaesteerError
from saesteer.evaluation import Arm, choose, evaluate, figures
from saesteer.methods import sae_decoder
from saesteer.runs import read_json, write_json
from saesteer.world.texts import openings
from saesteer.world.words import CONCEPTS

STRENGTHS = (0.16, 0.22, 0.28, 0.36)
FIRST = 6  # of every chooser
AT = "layers.3"


def steered(lm, sae, concept, latents, prompts, folder):
    """Latent -> behaviour on prompts that chose nothing; 0 where no strength keeps the coherence."""
    specs = {each: sae_decoder(lm, concept, sae, latent=each) for each in latents}
    arms = [Arm(concept, "sae_decoder", spec, STRENGTHS, str(each)) for each, spec in specs.items()]
    tried = evaluate(lm, arms, prompts, 3, "oracle", only="selection", folder=folder / "tried")
    settings = {}
    for each in latents:
        setting = choose(tried.where(variant=str(each)), 0.8).setting
        if setting is not None:
            settings[each] = setting.strength
    final = [Arm(concept, "sae_decoder", specs[i], (s,), str(i)) for i, s in settings.items()]
    found = dict.fromkeys(latents, 0.0)
    if final:
        tested = evaluate(lm, final, prompts, 6, "oracle", seed=2, only="test", folder=folder / "tested")
        for each in settings:
            rows = tested.where(variant=str(each)).rows
            found[each] = figures(rows).behaviour.estimate
    return found


def measure(lm, sae, name, prompts, folder):
    """One concept."""
    concept = load_concept(f"world/{name}")
    lists, seconds = {}, {}
    for chooser in CHOOSERS.names():
        start = time.process_time()
        lists[chooser] = list(CHOOSERS.get(chooser)(lm, sae, concept, None, FIRST).latents)
        seconds[chooser] = time.process_time() - start
    pool = sorted({latent for each in lists.values() for latent in each})
    behaviour = steered(lm, sae, concept, pool, prompts, folder / name)
    rows = {row.latent: row for row in rank_latents(lm, sae, concept, evidence=0).rows}
    nearness = align_topic(lm, sae, concept.positive).values("low")
    columns = {
        "contrast": [rows[i].auroc for i in pool],
        "logit_effect": output_effect(lm, sae, concept)[pool].tolist(),
        "output_score": output_scores(lm, sae, pool, prompts=neutral_prompts(concept)).score.tolist(),
        "lift": text_lift(lm, sae, pool, concept).tolist(),
        "topic_alignment": nearness[pool].tolist(),
    }
    values = [behaviour[i] for i in pool]
    return {
        "concept": name,
        "candidates": len(pool),
        "best": max(values),
        "first": {each: behaviour[latents[0]] for each, latents in lists.items()},
        "best_of_three": {each: max(behaviour[i] for i in latents[:3]) for each, latents in lists.items()},
        "spearman": {each: _rho(column, values) for each, column in columns.items()},
        "seconds": seconds,
    }


def _rho(column, values):
    if np.ptp(values) == 0 or np.ptp(column) == 0:
        raise SaesteerError("all latents steer alike, so there is nothing to rank; give more strengths")
    return float(spearmanr(column, values).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/choosers"))
    parser.add_argument("--concepts", default=",".join(CONCEPTS[:12]))
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--part", default="0/1", help="0/2 and 1/2: every other concept; then without")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lm, sae = load_model("world"), load_sae(f"world/{AT}")
    prompts, found = openings(args.prompts), []
    number, parts = map(int, args.part.split("/"))
    for name in args.concepts.split(",")[number::parts]:
        path = args.work / f"{name}.json"
        if not path.exists():
            write_json(path, measure(lm, sae, name, prompts, args.work))
        found.append(read_json(path))
        print(json.dumps(found[-1]), flush=True)
    record = {"at": AT, "strengths": STRENGTHS, "prompts": args.prompts, "first": FIRST, "concepts": found}
    if args.json is not None:
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
