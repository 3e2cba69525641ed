"""A small cache from latents that are written out, for examples and tests. Knows arrays only."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache.cache import LatentCache, LatentTable, TokenTable
from saesteer.cache.statistics import statistics_of


def cache_of_matrix(
    matrix: Float[np.ndarray, "tokens d_sae"],
    ids: Int[np.ndarray, " tokens"],
    starts: Int[np.ndarray, " rows1"],
    strings: tuple[str, ...],
    name: str = "layers.0",
    special_ids: frozenset[int] = frozenset(),
) -> LatentCache:
    """Each row a document of its own; entries at special tokens are left out."""
    rows = len(starts) - 1
    places = TokenTable(
        np.asarray(ids), np.asarray(starts), np.arange(rows), np.zeros(rows, np.int64), special_ids
    )
    kept = np.where(places.content(0, len(ids))[:, None], matrix, 0)
    latent, token = np.nonzero(kept.T)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(latent, minlength=kept.shape[1]))])
    values = kept[token, latent].astype(np.float32)
    found = statistics_of(latent, token, values, places, kept.shape[1])
    table = LatentTable(name, name, indptr, token.astype(np.uint32), values, found)
    return LatentCache(places, {name: table}, strings)
