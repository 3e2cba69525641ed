"""Which latents are active at the same tokens: X'X of the sparse activity, a block of latents at a time.

Knows a table of entries. Width x width is never held, only the counts of one block that are not zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import LatentTable

if TYPE_CHECKING:
    from saesteer.saes import SAE

_ENTRIES: Final = 1 << 25  # of the cache that are counted at most; every so many tokens where it has more
_PRODUCTS: Final = 1 << 24  # pairs of entries that a block counts, at most where it has several latents


def jaccard(
    table: LatentTable, sae: SAE | None, k: int
) -> tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]:
    """C_ij / (C_ii + C_jj - C_ij), C_ij being the tokens at which both are active; above 0.

    Of a cache with more than 33 million entries every so many tokens are counted.
    """
    return nearest_by_cooccurrence(table, k, -(-int(table.indptr[-1]) // _ENTRIES))


def nearest_by_cooccurrence(
    table: LatentTable, k: int, stride: int
) -> tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]:
    """Over every `stride`-th token."""
    activity = _activity(table, max(1, stride))
    counts = np.diff(activity.indptr)
    by_token = activity.T.tocsr()
    latents = np.full((table.d_sae, k), -1, np.int32)
    similarities = np.zeros((table.d_sae, k), np.float32)
    for low, high in _blocks(activity, np.diff(by_token.indptr)):
        both = activity[low:high] @ by_token
        for latent in range(low, high):
            part = slice(both.indptr[latent - low], both.indptr[latent - low + 1])
            others, together = both.indices[part], both.data[part]
            keep = others != latent
            others, together = others[keep], together[keep]
            share = together / (counts[latent] + counts[others] - together)
            chosen = strongest(share, others, k)
            latents[latent, : len(chosen)] = others[chosen]
            similarities[latent, : len(chosen)] = share[chosen]
    return latents, similarities


def strongest(values: Float[np.ndarray, " n"], ids: Int[np.ndarray, " n"], k: int) -> Int[np.ndarray, " k"]:
    """Where the `k` largest values stand, the largest first, ties by the lower id."""
    few = np.arange(len(values))
    if len(values) > k:
        least = values[np.argpartition(-values, k - 1)[:k]].min()
        few = np.flatnonzero(values >= least)
    return few[np.lexsort((ids[few], -values[few]))][:k]


def _activity(table: LatentTable, stride: int) -> Any:
    """1 where a latent is active, [d_sae, tokens that are counted]."""
    from scipy.sparse import csr_array

    tokens, indptr = np.asarray(table.tokens), np.asarray(table.indptr)
    if stride > 1:
        kept = tokens % stride == 0
        indptr = np.concatenate([[0], np.cumsum(kept)])[indptr]
        tokens = tokens[kept] // stride
    shape = (table.d_sae, int(tokens.max(initial=0)) + 1)
    places = (tokens.astype(np.int32, copy=False), indptr.astype(np.int32))  # int64 in one makes both int64
    return csr_array((np.ones(len(tokens), np.float32), *places), shape=shape)


def _blocks(activity: Any, active: Int[np.ndarray, " tokens"]) -> Iterator[tuple[int, int]]:
    """Runs of latents with work for each of about equal size."""
    work = np.concatenate([[0], np.cumsum(activity @ active.astype(np.float64))])
    low = 0
    while low < activity.shape[0]:
        high = max(low + 1, int(np.searchsorted(work, work[low] + _PRODUCTS, side="right")) - 1)
        yield low, high
        low = high
