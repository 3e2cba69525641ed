"""Explain latents of the embedded world that are known to stand for a concept, without a language model.

    python scripts/measure_explainers.py --json docs/figures/explainers.json

The latents are those that docs/figures/quality.json found by labels. An explanation names a concept where it
has more words of it than of any other; the world's lexicon says whose a word is.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer import load_model, load_sae
from saesteer.explainers.token_statistics import TokenStatistics
from saesteer.runs import read_json, write_json
from saesteer.world.words import lexicon
from scripts.world_records import Captured, captured

QUALITY: Final = Path(__file__).parents[1] / "docs" / "figures" / "quality.json"
SAES: Final = ("world/layers.3", "world/layers.4.attn")
FIRST: Final = 5_000  # stories that no threshold was looked at with
STORIES: Final = 600
OTHERS: Final = 12
WINDOWS: Final = (40, 200)


def concepts_in(text: str) -> Counter[str]:
    """How many words of each concept a text has."""
    owners = {word.casefold(): entry.owner for word, entry in lexicon().entries.items()}
    found = (owners.get(word.casefold()) for word in set(re.findall(r"[\w-]+", text)))
    return Counter(each for each in found if each)


def named(text: str, concept: str) -> bool:
    """More words of it than of any other concept."""
    words = concepts_in(text)
    return words[concept] > max((n for each, n in words.items() if each != concept), default=0)


def explained(stories: Captured, concept: str, latent: int, windows: int) -> dict[str, Any]:
    """With what it promotes, and without; by as many active windows as silent ones."""
    record = stories.record(latent, windows, silent=windows)
    start = time.process_time()
    full = asyncio.run(TokenStatistics().explain(record))
    seconds = time.process_time() - start
    bare = asyncio.run(TokenStatistics(promotes=0).explain(record))
    words = concepts_in(full.text or "")
    return {
        "concept": concept,
        "latent": latent,
        "text": full.text,
        "form": full.details.get("form"),
        "named": named(full.text or "", concept),
        "named_by_contexts": named(bare.text or "", concept),
        "own_words": words[concept],
        "other_words": words.total() - words[concept],
        "seconds": seconds,
    }


def milliseconds(rows: list[dict[str, Any]]) -> float:
    """Of one core, the median."""
    return round(1000 * float(np.median([each.pop("seconds") for each in rows])), 1)


def measure(name: str) -> dict[str, Any]:
    """One SAE."""
    stories = captured(load_model("world"), load_sae(name), STORIES, FIRST)
    known = read_json(QUALITY)[name]["trained"]["concepts"]
    rows = {
        str(n): [explained(stories, each["concept"], each["latent"], n) for each in known] for n in WINDOWS
    }
    density = stories.rows.density()
    luck = np.random.default_rng(0).permutation(np.flatnonzero(density > 0.001))
    others = [explained(stories, "", int(each), WINDOWS[0]) for each in luck[:OTHERS]]
    return {
        "tokens": int(stories.rows.content.sum()),
        "concepts": rows,
        "others": [{"latent": each["latent"], "text": each["text"], "form": each["form"]} for each in others],
        "milliseconds": {n: milliseconds(each) for n, each in rows.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the record is written")
    settings = parser.parse_args()
    found = {name: measure(name) for name in SAES}
    for name, each in found.items():
        for windows, rows in each["concepts"].items():
            shares = [np.mean([row[key] for row in rows]) for key in ("named", "named_by_contexts")]
            print(f"{name}, {windows} windows: {shares[0]:.2f}, without promoted words {shares[1]:.2f}")
    if settings.json:
        write_json(settings.json, {"stories": STORIES, "first": FIRST, "saes": found})


if __name__ == "__main__":
    main()
