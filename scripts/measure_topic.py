"""Does the verdict on a topic predict that steering towards it works? On the embedded world.

    python scripts/measure_topic.py --work build/topic --json docs/figures/topic.json

Every concept x SAE: the scores of topic alignment with their verdict, and what clamp, weight and swap do to
neutral openings, judged by the oracle. SAEs: the world's own, and some trained on stories from which a few
concepts were left out on purpose, so that these are missing from them. The prompts are split: a manipulation
and its strength are chosen on one half, where coherence stays 0.8 or more, and counted on the other. Success
is the share of texts with the concept, steered less unsteered. Kept sweeps are found again after a kill.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr

from saesteer.concepts import AlignmentScores, align_topic, contrast_topic
from saesteer.embeddings import load_embedder
from saesteer.evaluation import Arm, SweepResult, baseline, choose, evaluate, report
from saesteer.latents import ActivationStream
from saesteer.methods import topic_alignment
from saesteer.model import LanguageModel, load_model
from saesteer.runs import read_json, write_json
from saesteer.saes import SAE, load_sae
from saesteer.text import Concept, Document, load_concept
from saesteer.training import Member, TrainConfig, train_saes
from saesteer.world.reference import topic_texts
from saesteer.world.story import tell
from saesteer.world.texts import openings, story_about
from saesteer.world.words import CONCEPTS

AT: Final = "layers.3"
WITHOUT: Final = (
    ("wedding", "sea", "war", "music", "insults"),
    ("medicine", "space", "dogs", "faith", "archaic"),
    ("london", "garden", "sport", "computers", "anger"),
)
"""Concepts left out of an SAE's training texts."""
GRID: Final = {"clamp": (0.25, 0.5, 0.75, 1.0), "weight": (0.25, 0.5, 1.0), "swap": (0.5, 1.0)}
LOOKED_AT: Final = (
    *("wedding", "sea", "insults", "medicine", "war", "dogs"),
    *("school", "cooking", "archaic", "music", "space", "money"),
)
"""Concepts by which the verdict's thresholds were set; the others are independent of it."""
SEED: Final = 38_000_000
FORMS: Final = ("aligned", "contrasted")


class Remembered:
    """An embedder that embeds each piece once."""

    def __init__(self) -> None:
        self._model = load_embedder("minilm")
        self._known: dict[str, np.ndarray] = {}

    def cut(self, text: str) -> list[str]:
        return self._model.cut(text)

    def vectors(self, pieces: Sequence[str]) -> np.ndarray:
        new = [each for each in dict.fromkeys(pieces) if each not in self._known]
        if new:
            self._known |= dict(zip(new, self._model.vectors(new), strict=True))
        return np.stack([self._known[each] for each in pieces])

    def fingerprint(self) -> str:
        return self._model.fingerprint()


class Stories:
    """Endless stories, every other one about a concept, none with a sentence of those left out."""

    def __init__(self, without: Sequence[str]) -> None:
        self.without = frozenset(without)
        self.kept = [each for each in CONCEPTS if each not in self.without]

    def __iter__(self) -> Iterator[Document]:
        number = 0
        while True:
            number += 1
            seed = SEED + number
            told = story_about(self.kept[number // 2 % len(self.kept)], seed) if number % 2 else tell(seed)
            if not any(self.without & set(each.concepts) for each in told.sentences):
                yield Document(told.text, str(number))


def trained(lm: LanguageModel, work: Path, without: Sequence[str], tokens: int) -> SAE:
    """At once where it is there."""
    config = TrainConfig(d_sae=1536, k=32, tokens=tokens, lr=1e-3, dead_after_tokens=200_000)
    stream = ActivationStream(lm, Stories(without), AT, batch_tokens=2048)
    about = {"model_fingerprint": lm.fingerprint(), "without": list(without)}
    name = "without_" + "_".join(without)
    members = {name: Member(AT, config)}
    found = train_saes(stream, members, work / "saes", model_name="world", metadata=about)
    return found[name].sae


def arms(lm: LanguageModel, concept: Concept, sae: SAE, scores: AlignmentScores) -> list[Arm]:
    """Every manipulation at its strengths; clamp by each latent's level on the topic, where it has one."""
    found = []
    for mode, strengths in GRID.items():
        levels = all(row.level is not None for row in scores.top())
        spec = topic_alignment(
            lm, concept, sae, scores, mode=mode, keep_error=True, by_level=mode == "clamp" and levels
        )
        found.append(Arm(concept, mode, spec, strengths))
    return found


def success(result: SweepResult, base: SweepResult, concept: Concept) -> dict[str, Any]:
    """Each manipulation at the strength chosen on one half, with what it had there, counted on the other."""
    found: dict[str, Any] = {}
    for mode in GRID:
        part = result.where(method=mode)
        chosen = choose(part, coherence=0.8)
        if chosen.setting is None:
            found[mode] = {"lift": 0.0, "strength": None, "selection": 0.0}
            continue
        (tried,) = (each for each in chosen.candidates if each.setting == chosen.setting)
        outcome = report(part, chosen.setting, base.where(concept=concept.name))
        one, other = outcome.figures.behaviour.estimate, outcome.base.behaviour.estimate
        found[mode] = {"lift": one - other, "behaviour": one, "base": other}
        found[mode] |= {"coherence": outcome.figures.coherence.estimate, "strength": chosen.setting.strength}
        found[mode] |= {"selection": tried.figures.behaviour.estimate}
    return found


def measure(lm: LanguageModel, saes: dict[str, SAE], a: argparse.Namespace) -> list[dict[str, Any]]:
    """Case by case, each kept in a file of its own; those of the other parts are left alone."""
    remembered, prompts = Remembered(), openings(a.prompts)
    concepts = [load_concept(f"world/{name}") for name in a.concepts.split(",")]
    base = baseline(lm, concepts, prompts, a.samples, "oracle", only=None, folder=a.work / "base")
    number, parts = map(int, a.part.split("/"))
    cases = [(name, concept, form) for name in saes for concept in concepts for form in a.forms.split(",")]
    rows = []
    for name, concept, form in cases[number::parts]:
        path = a.work / "cases" / f"{name} {concept.labels[0]} {form}.json"
        if not path.exists():
            write_json(path, case(lm, saes[name], concept, form, remembered, base, a) | {"sae": name})
        rows.append(read_json(path))
        row = rows[-1]
        row["missing"] = row["concept"] in name.split("_")[1:]
        print(name, row["concept"], form, f"{row['lift']:.2f}", row["verdict"]["word"], flush=True)
    return rows


def case(
    lm: LanguageModel,
    sae: SAE,
    concept: Concept,
    form: str,
    remembered: Remembered,
    base: SweepResult,
    a: argparse.Namespace,
) -> dict[str, Any]:
    """The verdict on one topic by one SAE, and what the manipulations made of it."""
    topic = concept.labels[0]
    texts = topic_texts(topic)
    scores = (
        align_topic(lm, sae, texts, embedder=remembered, name=topic)
        if form == "aligned"
        else contrast_topic(lm, sae, texts, name=topic)
    )
    tried = arms(lm, concept, sae, scores)
    prompts = openings(a.prompts)
    result = evaluate(lm, tried, prompts, a.samples, "oracle", saes={"s": sae})
    found = success(result, base, concept)
    best = max(found.values(), key=lambda each: each["selection"])
    row = {"concept": topic, "form": form, "lift": best["lift"], "modes": found}
    return row | {"verdict": asdict(scores.verdict), "summary": dict(scores.summary)}


def correlations(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of trust, and of each figure that it is made of, with the lift; by form."""
    found: dict[str, Any] = {}
    for form in FORMS:
        here = [row for row in rows if row["form"] == form]
        if len(here) < 3:
            continue
        figures = {"trust": [row["verdict"]["trust"] for row in here]}
        figures |= {
            name: [row["summary"]["power"][name] for row in here] for name in here[0]["summary"]["power"]
        }
        for each in ("fvu_topic", "nearest_prompt", "coverage_topic"):
            if each in here[0]["summary"]:
                figures[each] = [row["summary"][each] for row in here]
        for mode in ("best", *GRID):
            lifts = [row["lift"] if mode == "best" else row["modes"][mode]["lift"] for row in here]
            found[f"{form}, {mode}"] = {
                name: {
                    "spearman": float(spearmanr(values, lifts).statistic),
                    "pearson": float(pearsonr(values, lifts).statistic),
                    **interval(values, lifts, [row["concept"] for row in here]),
                }
                for name, values in figures.items()
                if np.ptp(values) > 0 and np.ptp(lifts) > 0
            }
    return found


def interval(values: list[float], lifts: list[float], concepts: list[str]) -> dict[str, float]:
    """Of Spearman's correlation, 95 %, by drawing concepts with all their cases."""
    cases = {name: [i for i, each in enumerate(concepts) if each == name] for name in concepts}
    draw, found = np.random.default_rng(0), []
    for _ in range(1000):
        drawn = [i for name in draw.choice(list(cases), len(cases)) for i in cases[name]]
        one, other = np.array(values)[drawn], np.array(lifts)[drawn]
        if np.ptp(one) > 0 and np.ptp(other) > 0:
            found.append(spearmanr(one, other).statistic)
    low, high = np.quantile(found, (0.025, 0.975))
    return {"low": float(low), "high": float(high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/topic"))
    parser.add_argument("--concepts", default=",".join(CONCEPTS))
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1_500_000, help="of each SAE that is trained")
    parser.add_argument("--without", type=int, default=len(WITHOUT), help="how many SAEs are trained")
    parser.add_argument("--part", default="0/1", help="0/2 and 1/2: every other case; then without")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    lm = load_model("world")
    saes = {"whole": load_sae(f"world/{AT}")}
    for without in WITHOUT[: a.without]:
        saes["without_" + "_".join(without)] = trained(lm, a.work, without, a.tokens)
    rows = measure(lm, saes, a)
    if a.part != "0/1":
        return
    fresh = [row for row in rows if row["concept"] not in LOOKED_AT]
    found = {"rows": rows, "correlations": correlations(rows), "fresh": correlations(fresh)}
    found |= {"prompts": a.prompts, "samples": a.samples}
    found |= {"tokens": a.tokens, "saes": list(saes)}
    print(json.dumps(found["correlations"], indent=1))
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
