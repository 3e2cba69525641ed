"""Contrast: which latents separate texts with a concept from texts without? Knows no spec and no judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from saesteer.concepts.notes import notes_on
from saesteer.concepts.ranking import Evidence, LatentScore, Ranking
from saesteer.errors import InputError
from saesteer.latents import LatentRows, capture, hookpoint_of, logit_effect, top_contexts
from saesteer.latents.rows import Pool
from saesteer.model import LanguageModel
from saesteer.runs import versions
from saesteer.saes import SAE
from saesteer.statistics import auroc, benjamini_hochberg, cohen_d, holm, mann_whitney
from saesteer.text import Concept, check_contrast, load_concept
from saesteer.text.concept import strings

Level = Literal["text", "token"]
CORRECTIONS = {"holm": holm, "bh": benjamini_hochberg}
SIGNIFICANT = 0.05
_FEWEST = 2  # texts on each side


@dataclass(frozen=True, eq=False)
class Contrast:
    """Rows of latents with the side that each is on; `documents` groups rows that are of one text."""

    matrix: sparse.csr_array
    positive: Bool[np.ndarray, " rows"]
    documents: Int[np.ndarray, " rows"]

    def part(self, which: Bool[np.ndarray, " rows"]) -> Contrast:
        """Some of the rows."""
        return Contrast(self.matrix[which], self.positive[which], self.documents[which])

    def column(self, latent: int) -> Contrast:
        """One latent of all rows."""
        return Contrast(self.matrix[:, [latent]], self.positive, self.documents)


def rank_latents(
    lm: LanguageModel,
    sae: SAE,
    concept: Concept | str | None = None,
    *,
    positive: Sequence[str] | None = None,
    negative: Sequence[str] | None = None,
    at: str | None = None,
    level: Level = "text",
    pool: Pool = "max",
    correction: str = "holm",
    evidence: int = 5,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> Ranking:
    """All latents by AUROC between positive and negative texts (`level` text, pooled) or their tokens.

    Give a concept, or two lists of texts. p-values always compare texts (at token level their means), since
    tokens of one text are no independent witnesses; they are corrected over all latents. `evidence`: for how
    many of the first latents contexts and promoted tokens are shown.
    """
    concept = _concept(concept, positive, negative)
    _check_choices(level, correction, evidence)
    hookpoint = hookpoint_of(lm, sae, at)
    texts = (*concept.positive, *concept.negative)
    rows = capture(lm, texts, sae, hookpoint, context=context, batch_tokens=batch_tokens)
    _check_tokens(rows, len(concept.positive))
    of_texts = _of_texts(rows, len(concept.positive), "mean" if level == "token" else pool)
    contrast = of_texts if level == "text" else _of_tokens(rows, len(concept.positive))
    scores = _scores(contrast, of_texts, correction)
    held_out = _held_out_auroc(contrast)
    return Ranking(
        rows=scores,
        evidence=tuple(evidence_of(lm, sae, rows, score.latent) for score in scores[:evidence]),
        notes=notes_on(of_texts.positive, _lengths(rows), scores, level, pool, held_out),
        summary={
            "level": level,
            "pool": pool if level == "text" else None,
            "correction": correction,
            "positive": int(contrast.positive.sum()),
            "negative": int((~contrast.positive).sum()),
            "texts": [len(concept.positive), len(concept.negative)],
            "latents": len(scores),
            "silent": int(sum(score.rate_positive == score.rate_negative == 0 for score in scores)),
            "significant": sum(score.p_adjusted <= SIGNIFICANT for score in scores),
            "best": scores[0].latent,
            "auroc": scores[0].auroc,
            "held_out_auroc": held_out,
        },
        provenance=_provenance(lm, sae, hookpoint, concept),
    )


def contrast_of(
    lm: LanguageModel, sae: SAE, concept: Concept | str, latent: int, at: str | None = None
) -> Ranking:
    """One latent by itself with its evidence; `summary` has its AUROC of tokens too (token_auroc).

    Its p is that of a latent named beforehand: where these texts chose it, it says too much.
    """
    concept = _concept(load_concept(concept), None, None)
    hookpoint, count = hookpoint_of(lm, sae, at), len(concept.positive)
    rows = capture(lm, (*concept.positive, *concept.negative), sae, hookpoint)
    _check_tokens(rows, count)
    evidence = evidence_of(lm, sae, rows, latent)
    texts, tokens = (each.column(latent) for each in (_of_texts(rows, count, "max"), _of_tokens(rows, count)))
    [score] = _scores(texts, texts, "holm")
    summary = {
        "texts": [count, len(concept.negative)],
        "best": latent,
        "auroc": score.auroc,
        "token_auroc": float(auroc(tokens.matrix, tokens.positive)[0]),
    }
    scored = replace(score, latent=latent)
    return Ranking((scored,), (evidence,), (), summary, _provenance(lm, sae, hookpoint, concept))


def evidence_of(lm: LanguageModel, sae: SAE, rows: LatentRows, latent: int, n: int = 10) -> Evidence:
    """The strongest contexts of a latent, and the tokens that its direction promotes and suppresses."""
    contexts = top_contexts(rows, latent, n)
    direction = sae.direction(latent)
    if len(direction) != lm.hf.get_output_embeddings().weight.shape[1]:
        return Evidence(latent, contexts)
    effect = logit_effect(lm, direction, n)
    return Evidence(latent, contexts, effect.promoted, effect.suppressed)


def _scores(contrast: Contrast, of_texts: Contrast, correction: str) -> tuple[LatentScore, ...]:
    """One score per latent, best first."""
    matrix, positive = contrast.matrix, contrast.positive
    area, effect = auroc(matrix, positive), cohen_d(matrix, positive)
    p = mann_whitney(of_texts.matrix, of_texts.positive)
    adjusted = CORRECTIONS[correction](p)
    means = [_means(matrix[side]) for side in (positive, ~positive)]
    active = matrix.astype(bool).astype(np.float64)
    rates = [_means(active[side]) for side in (positive, ~positive)]
    columns = (area, means[0] - means[1], effect, *rates, p, adjusted)
    order = _best_first(area, effect)
    return tuple(LatentScore(int(latent), *(float(column[latent]) for column in columns)) for latent in order)


def _best_first(
    area: Float[np.ndarray, " d_sae"], effect: Float[np.ndarray, " d_sae"]
) -> Int[np.ndarray, " d_sae"]:
    """By AUROC, among equals by effect size, then by number."""
    return np.lexsort((-effect, -area))


def _held_out_auroc(contrast: Contrast, seed: int = 0) -> float | None:
    """AUROC, on the other half of the texts, of the latent that is best on one half; mean of both ways.

    The best of many latents is best partly by chance; this is what is left of it. None for fewer than four
    texts on a side.
    """
    draw = np.random.default_rng(seed)
    first = np.zeros(int(contrast.documents.max()) + 1, dtype=bool)
    for side in (contrast.positive, ~contrast.positive):
        documents = draw.permutation(np.unique(contrast.documents[side]))
        if len(documents) < 4:
            return None
        first[documents[: len(documents) // 2]] = True
    halves = [contrast.part(first[contrast.documents]), contrast.part(~first[contrast.documents])]
    found = []
    for chosen, tested in (halves, halves[::-1]):
        area, effect = (score(chosen.matrix, chosen.positive) for score in (auroc, cohen_d))
        best = int(_best_first(area, effect)[0])
        found.append(float(auroc(tested.matrix[:, [best]], tested.positive)[0]))
    return sum(found) / 2


def _of_texts(rows: LatentRows, n_positive: int, pool: Pool) -> Contrast:
    numbers = np.arange(rows.n_documents)
    return Contrast(rows.pool(pool), numbers < n_positive, numbers)


def _of_tokens(rows: LatentRows, n_positive: int) -> Contrast:
    documents = rows.places.document[rows.content]
    return Contrast(rows.matrix[rows.content].astype(np.float64), documents < n_positive, documents)


def _means(matrix: sparse.csr_array) -> Float[np.ndarray, " d_sae"]:
    return np.asarray(matrix.sum(axis=0)).ravel() / matrix.shape[0]


def _lengths(rows: LatentRows) -> Int[np.ndarray, " documents"]:
    return np.bincount(rows.places.document[rows.content], minlength=rows.n_documents)


def _concept(
    concept: Concept | str | None, positive: Sequence[str] | None, negative: Sequence[str] | None
) -> Concept:
    if (concept is None) == (positive is None and negative is None):
        raise InputError("give a concept, or positive and negative texts: one of the two")
    if concept is not None:
        concept = load_concept(concept)
    else:
        yes, no = strings(positive or (), "positive"), strings(negative or (), "negative")
        check_contrast(yes, no)
        concept = Concept("texts", "", yes, no)
    if min(len(concept.positive), len(concept.negative)) < _FEWEST:
        raise InputError(
            f"a contrast needs {_FEWEST} texts on each side, got {len(concept.positive)} positive and "
            f"{len(concept.negative)} negative; give more (twenty or more work well)"
        )
    return concept


def _check_choices(level: str, correction: str, evidence: int) -> None:
    if level not in get_args(Level):
        raise InputError(f"level is one of {', '.join(get_args(Level))}, got {level!r}")
    if correction not in CORRECTIONS:
        raise InputError(f"correction is one of {', '.join(CORRECTIONS)}, got {correction!r}")
    if evidence < 0:
        raise InputError(f"evidence is a number of latents, got {evidence}; give 0 for none")


def _check_tokens(rows: LatentRows, n_positive: int) -> None:
    short = np.flatnonzero(_lengths(rows) < 2)
    if len(short):
        number, side = int(short[0]), "positive"
        if number >= n_positive:
            number, side = number - n_positive, "negative"
        raise InputError(f"{side} text {number + 1} has fewer than two tokens; give whole phrases")


def _provenance(lm: LanguageModel, sae: SAE, hookpoint: str, concept: Concept) -> dict[str, Any]:
    texts = "\0".join((*concept.positive, "", *concept.negative))
    return {
        "concept": concept.name,
        "texts": hashlib.sha256(texts.encode()).hexdigest(),
        "model": lm.fingerprint(),
        "arithmetic": lm.arithmetic,
        "sae": sae.fingerprint(),
        "hookpoint": hookpoint,
        "versions": versions(),
    }
