"""Records of latents of the embedded world, cut out of its stories."""

from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np

from saesteer.examples import Example, LatentId, LatentRecord
from saesteer.latents import LatentRows, capture
from saesteer.model import LanguageModel, load_model
from saesteer.saes import SAE, load_sae
from saesteer.world.labels import labelled_stories
from saesteer.world.texts import world_concept
from saesteer.world.words import CONCEPTS

LENGTH = 16


@cache
def world() -> tuple[LanguageModel, SAE, LatentRows, np.ndarray]:
    """The model, its SAE, what that does in 200 stories, and which concepts their tokens express."""
    lm, sae = load_model("world"), load_sae("world/layers.3")
    told = labelled_stories()
    documents = list(islice(told.documents, 200))
    labels = np.concatenate([told.labeller(each) for each in documents]) > 0
    return lm, sae, capture(lm, documents, sae), labels


@cache
def best_latent(concept: str) -> int:
    """Of F1 at being active in the concept's sentences."""
    _, _, rows, labels = world()
    active = rows.matrix[np.flatnonzero(rows.content)] > 0
    wanted = labels[:, CONCEPTS.index(concept)]
    hits = wanted.astype(float) @ active
    return int((2 * hits / (active.sum(0) + wanted.sum())).argmax())


@cache
def story_record(latent: int, count: int = 40, seed: int = 0) -> LatentRecord:
    """Windows of 16 tokens; quantiles are fifths."""
    _, _, rows, _ = world()
    values = rows.latent(latent)[rows.content]
    ids, documents = rows.places.ids[rows.content], rows.places.document[rows.content]
    starts = np.arange(0, len(ids) - LENGTH, LENGTH)
    starts = starts[documents[starts] == documents[starts + LENGTH - 1]]
    starts = np.random.default_rng(seed).permutation(starts)
    active = np.array([values[at : at + LENGTH].max() > 0 for at in starts])
    strongest = sorted(starts[active][: 2 * count], key=lambda at: values[at : at + LENGTH].max())
    found = [
        _example(rows, ids, values, int(at), place * 5 // len(strongest), "active")
        for place, at in enumerate(strongest)
    ]
    silent = [_example(rows, ids, values, int(at), None, "random") for at in starts[~active][: 2 * count]]
    return LatentRecord(
        LatentId("layers.3", latent),
        train=tuple(found[::2]),
        test=tuple(found[1::2]),
        silent_train=tuple(silent[::2]),
        silent_test=tuple(silent[1::2]),
        max=float(values.max()),
        density=float((values > 0).mean()),
        windows=int(active.sum()),
    )


@cache
def concept_record(concept: str, count: int = 24) -> LatentRecord:
    """A latent that does what its explanation says: active all over stories about the concept, and nowhere
    else.
    """
    told = world_concept(concept)
    active = [_middle(text, number, "active") for number, text in enumerate(told.positive[: 2 * count])]
    silent = [_middle(text, number, "random") for number, text in enumerate(told.negative[: 2 * count])]
    parts = (active[::2], active[1::2], silent[::2], silent[1::2])
    return LatentRecord(LatentId("layers.3", best_latent(concept)), *map(tuple, parts), max=1.0)


def _middle(text: str, number: int, kind: str) -> Example:
    """24 tokens behind the opening."""
    lm = world()[0]
    ids = lm.tokenize([text], bos=False).ids[0, 12:36].tolist()
    tokens = tuple(each.replace("\u2581", " ") for each in lm.tokenizer.convert_ids_to_tokens(ids))
    values = np.full(len(ids), float(kind == "active"))
    return Example(np.array(ids), tokens, values, number, number, None, kind)  # type: ignore[arg-type]


def _example(
    rows: LatentRows, ids: np.ndarray, values: np.ndarray, at: int, quantile: int | None, kind: str
) -> Example:
    part = slice(at, at + LENGTH)
    tokens = tuple(rows.strings[int(each)] for each in ids[part])
    return Example(ids[part], tokens, values[part], at, 0, quantile, kind)  # type: ignore[arg-type]
