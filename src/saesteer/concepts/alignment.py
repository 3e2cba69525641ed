"""Scores of latents against a topic, from summaries of texts and distances alone. Knows numbers, no model.

    r_f = sum_p d_p^2 a_pf / sum_p a_pf        s_f = 1 - (r_f - min r) / (max r - min r)

over the latents with support, those active on any prompt (arXiv 2506.12576, section 3). High: latent f is
active on reference prompts that are near the topic. One matrix product for all latents. The bootstrap draws
prompts anew; a draw without any prompt on which a latent is active says nothing of it, so a latent of few
prompts has a wide interval, up to the whole range, and not a narrow one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from saesteer.errors import InputError, ShapeMismatch
from saesteer.statistics import bootstrap_ends

Matrix = Any  # scipy sparse [prompts, d_sae], or Float[np.ndarray, "prompts d_sae"]
Ends = tuple[Float[np.ndarray, " d_sae"], Float[np.ndarray, " d_sae"]]

DRAWS: Final = 400
_COLUMNS: Final = 4096  # of a dense block


def topic_scores(
    summaries: Matrix, distances: Float[np.ndarray, " prompts"]
) -> tuple[Float[np.ndarray, " d_sae"], Bool[np.ndarray, " d_sae"]]:
    """s_f, 0 for latents without support, and which have support. `distances`: d_p^2.

    150 prompts x 32,768 latents: `python benchmarks/topic_scores.py`.
    """
    _check(summaries, distances)
    weights = np.stack([distances, np.ones(len(distances))])
    moved, mass = np.asarray((summaries.T @ weights.T).T)
    supported = mass > 0
    means = np.divide(moved, mass, out=np.zeros_like(mass), where=supported)
    return np.where(supported, _rescaled(means, supported), 0.0), supported


def score_intervals(
    summaries: Matrix,
    distances: Float[np.ndarray, " prompts"],
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Ends:
    """Ends of the bootstrap interval of s_f over prompts, 0 and 1 where nothing is known."""
    _check(summaries, distances)
    prompts = len(distances)
    weights = np.random.default_rng(seed).multinomial(prompts, [1 / prompts] * prompts, draws)
    both = np.concatenate([weights * distances, weights]).astype(np.float32)
    columns = sparse.csc_array(summaries, dtype=np.float32)
    support = np.diff(columns.indptr)
    found = np.full((draws, columns.shape[1]), np.nan, dtype=np.float32)
    for start in range(0, columns.shape[1], _COLUMNS):
        part = columns[:, start : start + _COLUMNS].toarray()
        moved, mass = np.split(both @ part, 2)
        np.divide(moved, mass, out=found[:, start : start + _COLUMNS], where=mass > 0)
    held = np.flatnonzero(support)
    scores = _of_each_draw(found[:, held])
    low, high = np.zeros(columns.shape[1]), np.ones(columns.shape[1])
    low[held], high[held] = bootstrap_ends(scores, support[held], level)
    return low.clip(0.0, 1.0), high.clip(0.0, 1.0)


def contrast_scores(
    target: sparse.csr_array, general: sparse.csr_array
) -> tuple[Float[np.ndarray, " d_sae"], Bool[np.ndarray, " d_sae"]]:
    """The share of a latent's activity that is on target texts: 1 only there, 0.5 alike, 0 only on others.

    Activity: the mean of its summaries over the texts of a side, so that sides may differ in size.
    """
    here, there = _mean(target), _mean(general)
    supported = here + there > 0
    if not supported.any():
        raise InputError("no latent is active on any of the texts; check the SAE and the hookpoint")
    return np.divide(here, here + there, out=np.zeros_like(here), where=supported), supported


def contrast_intervals(
    target: sparse.csr_array,
    general: sparse.csr_array,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Ends:
    """The same by texts drawn anew on both sides."""
    rng = np.random.default_rng(seed)
    sides = []
    for side in (target, general):
        texts = side.shape[0]
        weights = rng.multinomial(texts, [1 / texts] * texts, draws) / texts
        sides.append(np.asarray((side.T @ weights.T).T))
    mass = sides[0] + sides[1]
    shares = np.divide(sides[0], mass, out=np.full_like(mass, np.nan), where=mass > 0)
    support = np.bincount(np.concatenate([target.indices, general.indices]), minlength=target.shape[1])
    low, high = bootstrap_ends(shares, np.minimum(support, target.shape[0] + general.shape[0]), level)
    low, high = np.where(support > 0, low, 0.0), np.where(support > 0, high, 1.0)
    return low.clip(0.0, 1.0), high.clip(0.0, 1.0)


def _rescaled(
    means: Float[np.ndarray, " d_sae"], supported: Bool[np.ndarray, " d_sae"]
) -> Float[np.ndarray, " d_sae"]:
    held = means[supported]
    if not len(held):
        raise InputError("no latent is active on any of the prompts; check the SAE and the hookpoint")
    span = float(held.max() - held.min())
    return 1 - (means - held.min()) / (span or 1.0)


def _of_each_draw(means: Float[np.ndarray, "draws latents"]) -> Float[np.ndarray, "draws latents"]:
    """Each draw rescaled by its own ends; NaN stays, which may be all of a draw."""
    least = np.fmin.reduce(means, axis=1, keepdims=True)
    span = np.fmax.reduce(means, axis=1, keepdims=True) - least
    return 1 - (means - least) / np.where(span > 0, span, 1.0)


def _mean(side: sparse.csr_array) -> Float[np.ndarray, " d_sae"]:
    return np.asarray(side.sum(axis=0), dtype=np.float64).ravel() / side.shape[0]


def _check(summaries: Matrix, distances: Float[np.ndarray, " prompts"]) -> None:
    if distances.shape != (summaries.shape[0],):
        raise ShapeMismatch(
            f"there are {summaries.shape[0]} prompts but distances of {list(distances.shape)}; give one each"
        )
    if not bool(np.isfinite(distances).all()):
        raise InputError("a distance is not finite; check the embeddings")
