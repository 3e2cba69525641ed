"""Explanations by meaning: the nearest to some words, offline. Knows embedders and results, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saesteer.embeddings import embed, load_embedder
from saesteer.errors import InputError, MissingExtra
from saesteer.examples import Explanation, Interpretation, LatentId, Score
from saesteer.pipeline.interpretation.results import load_results

MINILM, WORDS = "minilm", "hashed_words"


@dataclass(frozen=True)
class Match:
    """An explanation that was found."""

    latent: LatentId
    explainer: str
    text: str
    similarity: float
    """Cosine of the embeddings, -1 to 1."""
    scores: Mapping[str, float]
    """Scorer -> headline, of this explanation; scorers that need none among them."""
    density: float | None
    """Share of tokens at which the latent is active."""


@dataclass(frozen=True)
class Matches:
    """The nearest first."""

    query: str
    embedder: str
    rows: tuple[Match, ...]


def search_explanations(
    where: Interpretation | str | Path, query: str, n: int = 20, embedder: str | None = None
) -> Matches:
    """The `n` explanations nearest to `query`; of a tie, the lower latent first.

    One with a cosine of 0 or less has nothing in common with it and is left out.

    `embedder`: a name of EMBEDDERS or a folder; None: minilm, or hashed_words where its package is missing.
    """
    if not query.strip():
        raise InputError("what is looked for is empty; give some words")
    found = where if isinstance(where, Interpretation) else load_results(where)
    told = [each for each in found.explanations if each.text is not None and each.text.strip()]
    if not told:
        raise InputError("there is no explanation to search; saesteer explain makes some")
    name = embedder or _at_hand()
    texts = list(dict.fromkeys(str(each.text) for each in told))
    vectors = embed([query, *texts], name)
    near = dict(zip(texts, (vectors[1:] @ vectors[0]).tolist(), strict=True))
    told = [each for each in told if near[str(each.text)] > 0]
    order = sorted(told, key=lambda each: (-near[str(each.text)], each.latent))[:n]
    scores = _scores(found)
    return Matches(query, name, tuple(_match(each, near[str(each.text)], scores, found) for each in order))


def _at_hand() -> str:
    try:
        load_embedder(MINILM)
    except (MissingExtra, InputError):  # neither its package nor its weights are here
        return WORDS
    return MINILM


def _scores(found: Interpretation) -> dict[tuple[LatentId, str | None], list[Score]]:
    scores: dict[tuple[LatentId, str | None], list[Score]] = {}
    for each in found.scores:
        scores.setdefault((each.latent, each.explanation), []).append(each)
    return scores


def _match(
    each: Explanation,
    similarity: float,
    scores: Mapping[tuple[LatentId, str | None], list[Score]],
    found: Interpretation,
) -> Match:
    own = [*scores.get((each.latent, each.text), []), *scores.get((each.latent, None), [])]
    headlines = {score.scorer: score.value for score in own if score.value is not None}
    figures = found.latents.get(each.latent)
    similarity = float(np.clip(similarity, -1.0, 1.0))
    density = figures.density if figures is not None else None
    return Match(each.latent, each.explainer, str(each.text), similarity, headlines, density)
