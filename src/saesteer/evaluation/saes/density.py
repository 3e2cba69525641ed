"""How often latents fire, and how decoder rows lie: histograms that need no labels. Knows arrays only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from saesteer.errors import InputError
from saesteer.saes import SAE

DENSE = 0.1  # a latent that fires at more tokens than this is called dense
_BINS_PER_DECADE = 4
_SAMPLE, _BLOCK = 2048, 1 << 24  # decoder rows that are compared with all; numbers held at once


@dataclass(frozen=True)
class Spread:
    """Counts between edges; bin i lies between edges i and i + 1."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Density:
    """Firing rates of all latents over a set of tokens."""

    tokens: int
    dead: float
    """Share of latents that fire at no token; it falls with the number of tokens."""
    dense: float
    """Share of latents that fire at more than a tenth of the tokens."""
    median: float
    """Rate of the middle latent among those that fire; 0 where none does."""
    histogram: Spread
    """Of log10 of the rates, dead latents left out."""


def firing_counts(latents: sparse.csr_array) -> Int[np.ndarray, " d_sae"]:
    """Per latent the number of rows at which it fires; latents: sparse [tokens, d_sae], values above 0."""
    return np.bincount(latents.indices[latents.data > 0], minlength=latents.shape[1])


def density_of(latents: sparse.csr_array) -> Density:
    """Of sparse latents [tokens, d_sae]."""
    tokens = latents.shape[0]
    if not tokens:
        raise InputError("there are no tokens, so no latent has a rate; give texts")
    rates = firing_counts(latents) / tokens
    fires = rates[rates > 0]
    return Density(
        tokens,
        float((rates == 0).mean()),
        float((rates > DENSE).mean()),
        float(np.median(fires)) if len(fires) else 0.0,
        _log_spread(fires, tokens),
    )


def decoder_norms(sae: SAE, bins: int = 30) -> Spread:
    """Lengths of the decoder rows."""
    return _spread(sae.W_dec.double().norm(dim=-1).cpu().numpy(), bins)


@torch.no_grad()
def decoder_cosines(sae: SAE, seed: int = 0, bins: int = 30) -> Spread:
    """Per decoder row the largest cosine with another row: high where latents say nearly the same.

    Of at most 2,048 rows, drawn by the seed, each beside all rows. Rows without length are left out.
    """
    rows = sae.W_dec.float()
    length = rows.norm(dim=-1)
    rows = rows[length > 0] / length[length > 0, None]
    if len(rows) < 2:
        return Spread((), ())
    draw = np.random.default_rng(seed).permutation(len(rows))[:_SAMPLE]
    step = max(1, _BLOCK // len(rows))
    found = []
    for start in range(0, len(draw), step):
        some = torch.from_numpy(draw[start : start + step]).to(rows.device)
        cosines = rows[some] @ rows.T
        cosines[torch.arange(len(some)), some] = -math.inf
        found.append(cosines.amax(-1).cpu())
    return _spread(torch.cat(found).double().numpy(), bins)


def _log_spread(rates: Float[np.ndarray, " n"], tokens: int) -> Spread:
    """From the rate of one token to 1, the same bins for the same number of tokens."""
    lowest = math.floor(_BINS_PER_DECADE * -math.log10(tokens)) / _BINS_PER_DECADE
    edges = np.arange(round(-lowest * _BINS_PER_DECADE) + 1) / _BINS_PER_DECADE + lowest
    if len(edges) < 2:
        edges = np.array([-1.0, 0.0])
    counts, _ = np.histogram(np.log10(rates), edges)
    return Spread(tuple(counts.tolist()), tuple(edges.tolist()))


def _spread(values: Float[np.ndarray, " n"], bins: int) -> Spread:
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-6 * max(1.0, abs(high)):  # all alike but for rounding: one bar
        low, high, bins = low - 0.05, high + 0.05, 1
    counts, edges = np.histogram(values, bins, (low, high))
    return Spread(tuple(counts.tolist()), tuple(edges.tolist()))
