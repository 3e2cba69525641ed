"""Which scores of explanations deserve trust? On the embedded world, where the truth is known.

    python scripts/measure_interpretation.py --json docs/figures/interpretation.json

Latents of both SAEs of the world whose activity is about one concept (a share of it on tokens of sentences
that express the concept, on one half of the stories; what is counted comes from all). Each has a true
explanation (the concept's title), a random one (another concept's) and that of token statistics. Every
scorer scores all three; those that ask a language model ask the world's oracle, which reads the explanation,
at several rates of error. Resumes where it stood, latent by latent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy import sparse

from saesteer.cache import LatentCache, cache_latents
from saesteer.examples import ExampleSettings, Explanation, LatentId, LatentRecord, Loader
from saesteer.explainers import EXPLAINERS
from saesteer.model import load_model
from saesteer.runs import Journal
from saesteer.saes import load_sae
from saesteer.scorers import Scorer
from saesteer.scorers.detection import Detection
from saesteer.scorers.embedding import Embedding
from saesteer.scorers.example_embedding import ExampleEmbedding
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.scorers.intervention import Intervention
from saesteer.scorers.intruder import Intruder
from saesteer.scorers.simulation import Simulation
from saesteer.scorers.surprisal import Surprisal
from saesteer.world.labels import labelled_stories, labels_of
from saesteer.world.oracle_client import OracleClient
from saesteer.world.texts import openings
from saesteer.world.understanding import understood
from saesteer.world.words import CONCEPTS, lexicon

SAES: Final = ("layers.3", "layers.4.attn")
SHARE: Final = 0.8
"""Of a latent's activity on sentences with the concept, from which on it is about the concept."""
ERRORS: Final = (0.0, 0.1, 0.2, 0.3, 0.5)
KINDS: Final = ("true", "statistics", "random")


def titles() -> tuple[str, ...]:
    """The true explanations of all concepts."""
    return tuple(lexicon()[each].title for each in CONCEPTS)


def texts(count: int) -> list[Any]:
    stories = iter(labelled_stories().documents)
    return [next(stories) for _ in range(count)]


def about(cache: LatentCache, labels: np.ndarray, name: str) -> dict[int, tuple[str, float, float]]:
    """Latent -> its concept, and the share of its activity there: on the half that chose it, on the other."""
    table, content = cache[name], cache.tokens.content(0, len(cache.tokens))
    place = np.cumsum(content) - 1
    columns = place[table.tokens.astype(np.int64)]
    matrix = sparse.csr_array(
        (table.values.astype(np.float64), columns, table.indptr), shape=(table.d_sae, len(labels))
    )
    middle, found = len(labels) // 2, {}
    halves = [matrix[:, :middle], matrix[:, middle:]]
    shares = [
        (half @ part) / np.maximum(half.sum(1), 1e-9)[:, None]
        for half, part in zip(halves, (labels[:middle], labels[middle:]), strict=True)
    ]
    for latent in table.kept.tolist():
        concept = int(shares[0][latent].argmax())
        if shares[0][latent, concept] >= SHARE:
            found[latent] = (CONCEPTS[concept], *(float(each[latent, concept]) for each in shares))
    return found


def named(text: str | None) -> tuple[list[str], list[str]]:
    """Concepts that an explanation names, and those that own the words in quotation marks, in their order."""
    if text is None:
        return [], []
    meaning, entries = understood(text), lexicon().entries
    ordered = sorted(meaning.phrases, key=text.lower().find)
    owners = [entries[each].owner for each in ordered if each in entries]
    return sorted(meaning.concepts), [each for each in owners if each]


def scorers(
    lm: Any, saes: dict[str, Any], a: argparse.Namespace
) -> Iterator[tuple[str, float | None, Scorer]]:
    """(name, error of the oracle or None, scorer)."""
    for error in ERRORS:
        client = OracleClient(error, reads="explanation")
        for made in (
            Detection(client),
            Fuzzing(client),
            Fuzzing(client, negatives="active"),
            Intruder(client),
            Simulation(client),
        ):
            yield made.name, error, made
    for plain in (Surprisal(lm, a.wording), Embedding(), ExampleEmbedding()):
        yield plain.name, None, plain


async def scored(
    record: LatentRecord,
    explanations: dict[str, Explanation],
    every: Sequence[tuple[str, float | None, Scorer]],
) -> list[dict[str, Any]]:
    found = []
    for name, error, scorer in every:
        for kind, explanation in explanations.items():
            if not scorer.needs_explanation and kind != "true":
                continue
            score = await scorer.score(record, explanation if scorer.needs_explanation else None)
            kept = {"scorer": name, "error": error, "value": score.value, "failures": len(score.failures)}
            found.append(kept | {"kind": kind if scorer.needs_explanation else None})
    return found


def explained(record: LatentRecord, concept: str, seed: int) -> dict[str, Explanation]:
    """The three explanations of a latent."""
    other = random.Random(seed).choice([each for each in CONCEPTS if each != concept])
    words = lexicon()
    said = asyncio.run(EXPLAINERS.get("token_statistics")().explain(record))
    return {
        "true": Explanation(record.id, "true", words[concept].title),
        "random": Explanation(record.id, "random", words[other].title),
        "statistics": said,
    }


def latent(
    record: LatentRecord, concept: str, share: tuple[float, float], every: Any, seed: int
) -> dict[str, Any]:
    began = time.process_time()
    explanations = explained(record, concept, seed)
    rows = asyncio.run(scored(record, explanations, every))
    concepts, owners = named(explanations["statistics"].text)
    return {
        "sae": record.id.sae, "latent": record.id.latent, "concept": concept, "shares": share,
        "density": record.density, "windows": record.windows,
        "explanations": {kind: each.text for kind, each in explanations.items()},
        "named": concepts, "owners": owners, "scores": rows,
        "seconds": round(time.process_time() - began, 2),
    }  # fmt: skip


def chosen(
    cache: LatentCache, labels: np.ndarray, loader: Loader, a: argparse.Namespace
) -> list[tuple[Any, ...]]:
    """(record, concept, shares), the same number from each SAE, drawn by the seed."""
    found = []
    for name in SAES:
        matched = about(cache, labels, name)
        order = sorted(matched)
        random.Random(a.seed).shuffle(order)
        kept = 0
        for each in order:
            record = loader.record(LatentId(name, each))
            if isinstance(record, LatentRecord) and kept < a.latents:
                found.append((record, matched[each][0], matched[each][1:]))
                kept += 1
        print(f"{name}: {len(matched)} latents are about a concept, {kept} of them are scored", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/interpretation"))
    parser.add_argument("--stories", type=int, default=4000)
    parser.add_argument("--latents", type=int, default=100, help="of each SAE")
    parser.add_argument("--steered", type=int, default=12, help="of each SAE, scored by intervention too")
    parser.add_argument("--windows", type=int, default=100, help="where a latent must be active")
    parser.add_argument("--wording", default="titles", help="how surprisal shows an explanation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    lm = load_model("world")
    saes = {name: load_sae(f"world/{name}") for name in SAES}
    stories = texts(a.stories)
    cache = cache_latents(a.work, lm, saes, stories)
    labels = np.concatenate([labels_of(each) for each in stories])
    loader = Loader(cache, ExampleSettings(min_windows=a.windows, seed=a.seed))
    journal = Journal(a.work / "latents.jsonl")
    known = {(each["sae"], each["latent"]): each for each in journal}
    every = list(scorers(lm, saes, a))
    steered = dict.fromkeys(SAES, 0)
    for number, (record, concept, shares) in enumerate(chosen(cache, labels, loader, a)):
        key = (record.id.sae, record.id.latent)
        steered[record.id.sae] += 1
        if key in known:
            continue
        also = list(every)
        if steered[record.id.sae] <= a.steered:
            also.append(
                (
                    "intervention",
                    None,
                    Intervention(lm, saes, reading="titles", prompts=openings(8), n=3, others=titles()),
                )
            )
        journal.append(latent(record, concept, shares, also, a.seed + number))
        print(record.id, concept, flush=True)
    if a.json:
        rows = list(journal)
        command = (
            f"python scripts/measure_interpretation.py --stories {a.stories} --latents {a.latents} "
            f"--steered {a.steered} --windows {a.windows} --json docs/figures/interpretation.json"
        )
        found = {
            "command": command,
            "stories": a.stories,
            "tokens": len(labels),
            "seed": a.seed,
            "latents": rows,
        }
        a.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
