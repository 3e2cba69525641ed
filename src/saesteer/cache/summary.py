"""An SAE's latents in a few numbers: how many live, how many fire often, how many stand for one token.

Knows a cache; reads each entry once, in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from saesteer.cache.cache import LatentCache, LatentTable
from saesteer.cache.statistics import blocks

_ENTRIES: Final = 1 << 20  # that are looked at together
LEAST: Final = 2
"""Entries, below which a latent of one token is no finding."""


@dataclass(frozen=True)
class Overview:
    """Shares of all latents of an SAE."""

    latents: int
    alive: float
    """Active at any token that was read."""
    above_1: float
    """Active at more than 1 % of the content tokens."""
    above_10: float
    single_token: float | None
    """The stronger half of its kept entries is all at the same token, of 2 or more. None: no token ids."""


def overview(cache: LatentCache, name: str) -> Overview:
    """Of one SAE of the cache; statistics are of all that was read, single tokens of what was kept."""
    table = cache[name]
    density = np.asarray(table.statistics.density)
    return Overview(
        table.d_sae,
        float((np.asarray(table.statistics.count) > 0).mean()),
        float((density > 0.01).mean()),
        float((density > 0.1).mean()),
        float(single_token(cache, table).mean()) if cache.tokens.known else None,
    )


def single_token(cache: LatentCache, table: LatentTable) -> Bool[np.ndarray, " d_sae"]:
    """Whether the stronger half of each latent's entries (rounded up) is at one and the same token id."""
    indptr, ids = np.asarray(table.indptr), np.asarray(cache.tokens.ids)
    found = np.zeros(table.d_sae, dtype=bool)
    for first, last in blocks(indptr, _ENTRIES):
        part = slice(int(indptr[first]), int(indptr[last]))
        tokens, values = np.asarray(table.tokens[part]), np.asarray(table.values[part], np.float32)
        found[first:last] = _single(np.diff(indptr[first : last + 1]), ids[tokens], values)
    return found


def _single(
    counts: Int[np.ndarray, " m"], ids: Int[np.ndarray, " nnz"], values: Float[np.ndarray, " nnz"]
) -> Bool[np.ndarray, " m"]:
    """Half of the entries or more are stronger than every entry at another token than the strongest's."""
    found = np.zeros(len(counts), dtype=bool)
    fires = np.flatnonzero(counts)
    if not len(fires):
        return found
    each, start = counts[fires], np.cumsum(counts)[fires] - counts[fires]
    strongest = np.repeat(np.maximum.reduceat(values, start), each)
    token = np.minimum.reduceat(np.where(values == strongest, ids, np.iinfo(np.int64).max), start)
    same = ids == np.repeat(token, each)
    others = np.repeat(np.maximum.reduceat(np.where(same, -np.inf, values), start), each)
    above = np.add.reduceat((values > others).astype(np.int64), start)
    found[fires] = (each >= LEAST) & (2 * above >= each)
    return found
