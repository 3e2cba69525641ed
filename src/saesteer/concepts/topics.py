"""A topic, given by texts, to scores of an SAE's latents. Knows models, SAEs, embedders; no spec, no judge.

Two forms. Aligned: reference prompts go through the model, and the topic texts are only compared with them as
sentences (arXiv 2506.12576). Contrasted: both kinds of text go through the model. Either way the topic texts
also tell how well the SAE can represent the topic; that decides the verdict and no score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from scipy import sparse

from saesteer.concepts.alignment import (
    DRAWS,
    contrast_intervals,
    contrast_scores,
    score_intervals,
    topic_scores,
)
from saesteer.concepts.alignment_scores import AlignedLatent, AlignmentScores, Home
from saesteer.concepts.summaries import Summaries, Summary, summarise_texts
from saesteer.concepts.trust import UNKNOWN, Power, Verdict, judged
from saesteer.embeddings import Embedder, embed_pieces, load_embedder, squared_distances
from saesteer.errors import InputError
from saesteer.model import LanguageModel
from saesteer.names import Registry
from saesteer.runs import digest, versions
from saesteer.saes import SAE
from saesteer.statistics import auroc
from saesteer.text import read_prompts

REFERENCES: Registry[Callable[[], tuple[str, ...]]] = Registry(
    "set of reference prompts",
    {"world": "saesteer.world.reference:reference_prompts"},
    group="saesteer.references",
)
"""Name, often of a model -> prompts that probe what its latents mean (D_ref)."""
BEST: Final = 5
"""Latents that the verdict looks at, and that clamping raises."""
TOPIC_TOKENS: Final = 20_000
"""Of the topic texts that go through the model for the verdict."""


def align_topic(
    lm: LanguageModel,
    sae: SAE,
    topic: Sequence[str],
    reference: Sequence[str] | str | None = None,
    *,
    at: str | None = None,
    name: str = "topic",
    summary: Summary = "avg",
    embedder: str | Embedder = "minilm",
    uncertainty: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
) -> AlignmentScores:
    """Scores by how near to the topic texts the reference prompts are on which a latent is active.

    `topic`: D_align; only embedded, but for the verdict. `reference`: D_ref, prompts, a file of them (.csv)
    or a name of REFERENCES; None: those of the model's own name. `summary`: a_pf, one of avg, max, counts.
    `uncertainty`: with intervals and the verdict, for which 20,000 tokens of the topic texts, the beginning
    of each, go through the model.
    """
    texts, prompts = _texts(topic, "topic"), reference_prompts(lm, reference)
    home = Home.of(lm, sae, at)
    model = load_embedder(embedder) if isinstance(embedder, str) else embedder
    nearest = squared_distances(embed_pieces(prompts, model), embed_pieces(texts, model)).min(1)
    read = summarise_texts(lm, sae, prompts, home.hookpoint, summary)
    score, _ = topic_scores(read.matrix, nearest)
    about = _provenance("aligned", texts, prompts, summary, seed)
    about |= {"embedder": embedder if isinstance(embedder, str) else type(embedder).__qualname__}
    about |= {"embedder_fingerprint": model.fingerprint()}
    figures = {"nearest_prompt": float(nearest.min()), "median_prompt": float(np.median(nearest))}
    if not uncertainty:
        rows = _rows(score, None, read.support, None)
        found = {**_coverage(read, None), **figures}
        return AlignmentScores(rows, home, name, UNKNOWN, (), found, about)
    ends = score_intervals(read.matrix, nearest, draws, seed=seed)
    own = summarise_texts(lm, sae, texts, home.hookpoint, summary, TOPIC_TOKENS)
    verdict, more = _verdict(score, ends[0], read, own)
    rows = _rows(score, ends, read.support, own.levels)
    return AlignmentScores(
        rows, home, name, verdict, _notes(read), {**_coverage(read, own), **figures, **more}, about
    )


def contrast_topic(
    lm: LanguageModel,
    sae: SAE,
    topic: Sequence[str],
    general: Sequence[str] | str | None = None,
    *,
    at: str | None = None,
    name: str = "topic",
    summary: Summary = "avg",
    tokens: int | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> AlignmentScores:
    """Scores by the share of a latent's activity that is on topic texts rather than on general ones.

    Needs no embedder. Each latent's `level` is its mean activation on the topic, by which clamping can be
    calibrated. `tokens`: read only so many of each side.
    """
    texts, others = _texts(topic, "topic"), reference_prompts(lm, general)
    home = Home.of(lm, sae, at)
    own, read = (summarise_texts(lm, sae, side, home.hookpoint, summary, tokens) for side in (texts, others))
    score, _ = contrast_scores(own.matrix, read.matrix)
    ends = contrast_intervals(own.matrix, read.matrix, draws, seed=seed)
    support = own.support + read.support
    verdict, more = _verdict(score, ends[0], read, own, support)
    about = _provenance("contrasted", texts, others, summary, seed) | {"tokens": tokens}
    rows = _rows(score, ends, support, own.levels)
    return AlignmentScores(rows, home, name, verdict, (), {**_coverage(read, own), **more}, about)


def reference_prompts(lm: LanguageModel, reference: Sequence[str] | str | None) -> tuple[str, ...]:
    """The prompts themselves, those of a name of REFERENCES or of a file, or those of the model's name."""
    if reference is None:
        if lm.name not in REFERENCES:
            raise InputError(f"there are no reference prompts for the model {lm.name!r}; give some (D_ref)")
        reference = lm.name
    named = isinstance(reference, str) and not (Path(reference).suffix or Path(reference).exists())
    if isinstance(reference, str) and (reference in REFERENCES or named):
        return REFERENCES.get(reference)()
    if isinstance(reference, str):
        return _texts([each.text for each in read_prompts(reference)], "reference")
    return _texts(reference, "reference")


def _texts(texts: Sequence[str], noun: str) -> tuple[str, ...]:
    if isinstance(texts, str) or len(texts) < 2:
        raise InputError(f"{noun} texts are a list of two or more, got {texts!r:.60}; give more")
    return tuple(texts)


def _rows(
    score: Float[np.ndarray, " d_sae"],
    ends: tuple[Float[np.ndarray, " d_sae"], Float[np.ndarray, " d_sae"]] | None,
    support: Float[np.ndarray, " d_sae"],
    levels: Float[np.ndarray, " d_sae"] | None,
) -> tuple[AlignedLatent, ...]:
    return tuple(
        AlignedLatent(
            latent,
            float(score[latent]),
            None if ends is None else float(ends[0][latent]),
            None if ends is None else float(ends[1][latent]),
            int(support[latent]),
            None if levels is None or levels[latent] == 0 else float(levels[latent]),
        )
        for latent in range(len(score))
    )


def _verdict(
    score: Float[np.ndarray, " d_sae"],
    low: Float[np.ndarray, " d_sae"],
    read: Summaries,
    own: Summaries,
    support: Float[np.ndarray, " d_sae"] | None = None,
) -> tuple[Verdict, dict[str, Any]]:
    """What the SAE shows of the topic, and the verdict on it."""
    support = read.support if support is None else support
    held = np.flatnonzero(support > 0)
    order = held[np.lexsort((held, -score[held], -low[held]))][:BEST]
    power = Power(
        told=_told(own.matrix, read.matrix, order),
        shared=_shared(own.matrix, read),
        fit=max(0.0, 1 - own.fvu),
        kept=min(1.0, read.fvu / own.fvu) if own.fvu > 0 else 1.0,
        focus=_focus(own.matrix, order),
        support=float(np.median(support[order])),
        certain=float(np.median(low[order])),
    )
    return judged(power), {"power": power}


def _told(own: sparse.csr_array, read: sparse.csr_array, latents: np.ndarray) -> float:
    """AUROC of the latents' share of a text's activity, topic texts against reference prompts."""
    shares = [np.asarray(side[:, latents].sum(1)).ravel() / _mass(side) for side in (own, read)]
    positive = np.arange(own.shape[0] + read.shape[0]) < own.shape[0]
    return float(auroc(np.concatenate(shares), positive))


def _shared(own: sparse.csr_array, read: Summaries) -> float:
    by_latent = np.asarray(own.sum(0)).ravel()
    return float(by_latent[read.fired].sum() / max(by_latent.sum(), 1e-12))


def _focus(own: sparse.csr_array, latents: np.ndarray) -> float:
    by_latent = np.asarray(own.sum(0)).ravel()
    return float(by_latent[latents].sum() / max(by_latent.sum(), 1e-12))


def _mass(side: sparse.csr_array) -> Float[np.ndarray, " texts"]:
    return np.maximum(np.asarray(side.sum(1)).ravel(), 1e-12)


def _coverage(read: Summaries, own: Summaries | None) -> dict[str, Any]:
    found = {
        "coverage_reference": read.coverage,
        "fvu_reference": read.fvu,
        "prompts": read.matrix.shape[0],
        "reference_tokens": read.tokens,
        "unsupported": int((~read.fired).sum()),
    }
    if own is not None:
        found |= {"coverage_topic": own.coverage, "fvu_topic": own.fvu, "topic_tokens": own.tokens}
    return found


def _notes(read: Summaries) -> tuple[str, ...]:
    silent = int((~read.fired).sum())
    if not silent:
        return ()
    return (
        f"{silent} of {read.matrix.shape[1]} latents were active on no reference prompt: masked, score 0",
    )


def _provenance(
    form: str, topic: Sequence[str], reference: Sequence[str], summary: str, seed: int
) -> dict[str, Any]:
    return {
        "form": form,
        "summary": summary,
        "seed": seed,
        "topic_texts": len(topic),
        "topic_sha256": digest(list(topic)),
        "reference_texts": len(reference),
        "reference_sha256": digest(list(reference)),
        "versions": versions(),
    }
