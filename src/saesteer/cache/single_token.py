"""Which latents stand for one token: the stronger half of their entries is at one and the same token id.

Knows arrays, mapped or in memory; memory is bounded by a block of entries, however long one latent is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from saesteer.cache.statistics import blocks

_ENTRIES: Final = 1 << 18  # that are looked at together
LEAST: Final = 2
"""Entries, below which a latent of one token is no finding."""


def single_token(
    ids: Int[np.ndarray, " n"],
    indptr: Int[np.ndarray, " d_sae1"],
    tokens: Int[np.ndarray, " nnz"],
    values: Float[np.ndarray, " nnz"],
) -> Bool[np.ndarray, " d_sae"]:
    """Of each latent; half of its entries is rounded up."""
    found = np.zeros(len(indptr) - 1, dtype=bool)
    for first, last in blocks(indptr, _ENTRIES):
        low, high = int(indptr[first]), int(indptr[last])
        if high - low > _ENTRIES:
            found[first] = _of_one(ids, tokens, values, range(low, high))
        else:
            counts = np.diff(indptr[first : last + 1])
            found[first:last] = _of_some(counts, *_piece(ids, tokens, values, low, high))
    return found


def _piece(
    ids: np.ndarray, tokens: np.ndarray, values: np.ndarray, low: int, high: int
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Token ids and values of the entries `low` to `high` - 1."""
    return ids[np.asarray(tokens[low:high])], np.asarray(values[low:high], np.float32)


def _of_some(
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


def _of_one(ids: np.ndarray, tokens: np.ndarray, values: np.ndarray, entries: range) -> bool:
    """The same of a latent that is longer than a block, read three times, piece by piece."""

    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for low in range(entries.start, entries.stop, _ENTRIES):
            yield _piece(ids, tokens, values, low, min(low + _ENTRIES, entries.stop))

    strongest = max(float(few.max()) for _, few in pieces())
    token = min(int(some[few == strongest].min(initial=np.iinfo(np.int64).max)) for some, few in pieces())
    others = max(float(few[some != token].max(initial=-np.inf)) for some, few in pieces())
    above = sum(int((few > others).sum()) for _, few in pieces())
    return 2 * above >= len(entries) >= LEAST
