r"""Every steering method on the embedded world, judged by its exact oracle: the SAE-TS experiment anew.

    python scripts/compare_methods.py --work build/methods --effects build/effects-fit \
        --json docs/figures/methods.json

Each method gets eight settings (strengths; of prompting eight prefixes; of fine-tuning eight shares of the
way; a search makes its own) and, but for openings, tuning and prompting, the same hookpoint. The setting is
chosen on half of the prompts, by the product of mean behaviour and mean coherence (the paper's figure) and by
behaviour at a coherence of 0.8, and measured on the other half with other samples. Side effects are measured
once more at the strength that gives a behaviour of 0.2 on the first half, found by bisection. Resumes where
it stood; `--part 0/2` and `--part 1/2` share the concepts out among two processes, and without --part all is
gathered.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch
from compared import AT, COMPARED, OWN, SHARES, Lab

from saesteer import Concept, load_concept, load_model, load_sae
from saesteer.effects import Approximator
from saesteer.errors import InputError
from saesteer.evaluation import Arm, SweepResult, baseline, evaluate
from saesteer.evaluation.divergence import divergences
from saesteer.evaluation.figures import figures
from saesteer.methods import Tuned, prompting
from saesteer.runs import read_json, write_json
from saesteer.world.reading import judge_text
from saesteer.world.texts import openings
from saesteer.world.words import CONCEPTS

PROMPTING: Final = "prompting"
GOALS: Final = ("product", "coherent")
COHERENCE: Final = 0.8
BEHAVIOUR: Final = 0.2
"""At which side effects are compared."""
BISECTIONS: Final = 5
"""After which the strength is known to a 32nd of the step of the grid."""
TOKENS: Final = 40


def arms_of(lab: Lab, concept: Concept, method: str) -> list[Arm]:
    """What is tried of a method; InputError where it cannot be made for this concept."""
    if method == PROMPTING:
        prefixes = prompting(lab.lm, concept)[:8]
        return [Arm(concept, method, variant=prefix, prefix=prefix) for prefix in prefixes]
    make, grid = COMPARED[method]
    made = make(lab, concept)
    if isinstance(made, Tuned):
        return [Arm(concept, method, strengths=grid, tuned=made)]
    own = made.interventions[0].strength.value
    if grid is OWN:
        grid = (own,)
    elif grid is SHARES:
        grid = tuple(own * share for share in SHARES)
    return [Arm(concept, method, made, grid)]


def selected(tried: SweepResult, goal: str) -> Any:
    """The best setting by the paper's product, or by behaviour at a coherence of 0.8; None where none is."""
    summary = [each for each in tried.summary if each.half == "selection"]
    if goal == "coherent":
        summary = [each for each in summary if each.figures.coherence.estimate >= COHERENCE]
    worth = {
        "product": lambda f: f.behaviour.estimate * f.coherence.estimate,
        "coherent": lambda f: f.behaviour.estimate,
    }[goal]
    return max(summary, key=lambda each: worth(each.figures), default=None)


def curve(tried: SweepResult) -> list[dict[str, Any]]:
    points = [each for each in tried.summary if each.half == "selection"]
    return [
        {
            "strength": each.setting.strength,
            "variant": each.setting.variant,
            "behaviour": each.figures.behaviour.estimate,
            "coherence": each.figures.coherence.estimate,
            "perplexity": each.figures.perplexity,
            "distinct_2": each.figures.distinct_2,
        }
        for each in points
    ]


def measured(rows: SweepResult, concept: Concept) -> dict[str, Any]:
    """The figures of one setting on the test half, other concepts than the one asked for among them."""
    found = figures(rows.rows)
    others = [
        any(label not in concept.labels and label != concept.name.split("/")[-1] for label in v.concepts)
        for row in rows.rows
        for v in judge_text(row.text).sentences
    ]
    return {
        name: [getattr(found, name).low, getattr(found, name).estimate, getattr(found, name).high]
        for name in ("behaviour", "coherence", "product")
    } | {
        "perplexity": found.perplexity,
        "distinct_2": found.distinct_2,
        "off_target": sum(others) / max(1, len(others)),
        "samples": found.samples,
    }


@torch.no_grad()
def distance(lab: Lab, arm: Arm, strength: float, texts: Sequence[str]) -> dict[str, float]:
    """KL and added cross-entropy per token of ordinary text; nothing for a prompt, which edits no model."""
    if arm.spec is not None:
        saes = dict.fromkeys(arm.spec.saes, lab.sae)
        (moved,) = divergences(lab.lm, arm.spec, [strength], texts, saes=saes)
        return {"kl": moved.kl, "nats": moved.nats}
    if arm.tuned is None:
        return {}
    tuned, read = arm.tuned.at(strength), lab.lm.tokenize(texts)
    p, q = (each.logits(read)[:, :-1].log_softmax(-1) for each in (lab.lm, tuned))
    said, counted = read.ids[:, 1:, None], read.mask[:, 1:] & read.mask[:, :-1]
    kl = float((q.exp() * (q - p)).sum(-1)[counted].mean())
    nats = float((p - q).gather(-1, said)[..., 0][counted].mean())
    return {"kl": kl, "nats": nats}


def run(lab: Lab, name: str, method: str) -> dict[str, Any]:
    """One method for one concept, beside the plain model."""
    concept = load_concept(f"world/{name}")
    began = time.process_time()
    arms = arms_of(lab, concept, method)
    seconds = round(time.process_time() - began, 2)
    common = {"judge": "oracle", "max_new_tokens": TOKENS, "folder": lab.work / name}
    tried = evaluate(lab.lm, arms, lab.prompts, lab.samples, seed=0, only="selection", **common)
    chosen: dict[str, Any] = {}
    tests: dict[tuple[str, float], Arm] = {}
    for goal in GOALS:
        best = selected(tried, goal)
        if best is not None:
            key = (best.setting.variant, best.setting.strength)
            (arm,) = (each for each in arms if each.variant == key[0])
            variant = f"{key[0]}|{key[1]:g}"
            tests[key] = Arm(concept, method, arm.spec, (key[1],), variant, arm.prefix, arm.tuned)
            chosen[goal] = key
    written = (
        evaluate(lab.lm, list(tests.values()), lab.prompts, lab.test_samples, seed=1, only="test", **common)
        if tests
        else None
    )
    plain = baseline(lab.lm, [concept], lab.prompts, lab.test_samples, seed=2, **common)
    found: dict[str, Any] = {"seconds": seconds, "curve": curve(tried)}
    if arms[0].spec is not None and "search" in arms[0].spec.provenance:
        found["winner"] = arms[0].spec.provenance["search"]["winner"]
    for goal, key in chosen.items():
        rows = written.where(variant=tests[key].variant)
        found[goal] = {"strength": key[1], "variant": key[0]} | measured(rows, concept)
        found[goal] |= distance(lab, tests[key], key[1], concept.negative[:24])
    found["alike"] = alike(lab, arms[0], found["curve"])
    return {"base": measured(plain, concept), "method": found}


def alike(lab: Lab, arm: Arm, curve: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Figures on the test half at the strength that gives BEHAVIOUR on the half that chooses."""
    strength = reached(lab, arm, curve)
    if strength is None:
        return None
    rows = again(lab, arm, strength, "test", seed=1)
    found = {"strength": strength} | measured(rows, arm.concept)
    return found | distance(lab, arm, strength, arm.concept.negative[:24])


def reached(lab: Lab, arm: Arm, curve: Sequence[dict[str, Any]]) -> float | None:
    """The least strength, by bisection with other samples; None where behaviour stays below."""
    points = [(0.0, 0.0), *((each["strength"], each["behaviour"]) for each in curve)]
    if len(points) < 3 or len({strength for strength, _ in points}) < len(points):
        return None  # prompts and what a search has chosen have no strengths
    for (low, below), (high, above) in pairwise(points):
        if below < BEHAVIOUR <= above:
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                found = figures(again(lab, arm, middle, "selection", seed=3).rows).behaviour.estimate
                low, high = (middle, high) if found < BEHAVIOUR else (low, middle)
            return (low + high) / 2
    return None


def again(lab: Lab, arm: Arm, strength: float, half: Any, seed: int) -> SweepResult:
    """One strength of a method on one half of the prompts."""
    arm = Arm(arm.concept, arm.method, arm.spec, (strength,), "alike", tuned=arm.tuned)
    asked = {"seed": seed, "only": half, "max_new_tokens": TOKENS}
    return evaluate(lab.lm, [arm], lab.prompts, lab.test_samples, "oracle", **asked)


def gathered(lab: Lab, name: str, methods: Sequence[str]) -> dict[str, Any]:
    """A concept's record, with the methods that it lacks added."""
    path = lab.work / f"{name}.json"
    record = read_json(path) if path.exists() else {"concept": name, "left_out": {}, "methods": {}}
    for method in methods:
        if method in record["methods"]:
            continue
        began = time.process_time()
        try:
            found = run(lab, name, method)
        except InputError as error:
            record["left_out"][method] = str(error)
        else:
            record["methods"][method], record["base"] = found["method"], found["base"]
            record["left_out"].pop(method, None)
        write_json(path, record)
        print(f"{name}, {method}: {time.process_time() - began:.0f} s", flush=True)
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/methods"))
    parser.add_argument("--effects", type=Path, help="what `saesteer effects fit` made")
    parser.add_argument("--methods", default=";".join((*COMPARED, PROMPTING)), help="names, ; between")
    parser.add_argument("--concepts", default=",".join(CONCEPTS[:12]))
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--test-samples", type=int, default=6)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lm, sae = load_model("world"), load_sae(f"world/{AT}")
    prompts = tuple(openings(args.prompts))
    methods = tuple(args.methods.split(";"))
    effects = None if args.effects is None else Approximator.load(args.effects)
    lab = Lab(lm, sae, effects, args.work, prompts, args.samples, args.test_samples)
    number, parts = map(int, args.part.split("/"))
    names = args.concepts.split(",")
    records = [gathered(lab, name, methods) for name in names[number::parts]]
    if args.json and parts == 1:
        command = (
            "python scripts/compare_methods.py --effects build/effects-fit --json docs/figures/methods.json "
            f"--prompts {args.prompts} "
            f"--samples {args.samples} --test-samples {args.test_samples} --concepts {args.concepts} "
            f"--methods '{args.methods}'"
        )
        record = {"command": command, "concepts": records}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
