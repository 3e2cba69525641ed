"""Statistics per latent, from its entries; those of parts of a cache add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache.cache import Statistics, TokenTable

EDGES: Final = 2.0 ** np.arange(-10, 15.5, 0.5)
"""Of every histogram: half powers of two."""
BINS: Final = len(EDGES) - 1
_ENTRIES: Final = 1 << 19  # that are looked at together
_LATENTS: Final = 1 << 13  # of a block, at most: silent ones cost something too
_LOWEST: Final = 2 * (127 - 10)  # of the doubled exponent of float32: that of the first edge
_HALF: Final = 0x800000 - 0x3504F4  # lifts a mantissa of the square root of 2, or more, to the next exponent


@dataclass(frozen=True, eq=False)
class Sums:
    """The part of Statistics that adds up, of consecutive latents."""

    count: Int[np.ndarray, " m"]
    sum: Float[np.ndarray, " m"]
    squares: Float[np.ndarray, " m"]
    max: Float[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]
    histogram: Int[np.ndarray, "m bins"]

    def plus(self, other: Sums) -> Sums:
        """Of two parts that share no row."""
        added = {name: getattr(self, name) + getattr(other, name) for name in NAMES if name != "max"}
        return Sums(**added, max=np.maximum(self.max, other.max))

    @classmethod
    def join(cls, parts: Sequence[Sums]) -> Sums:
        """Of consecutive latents."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in NAMES})


NAMES: Final = tuple(each.name for each in fields(Sums))


def statistics_of(
    latent: Int[np.ndarray, " nnz"],
    token: Int[np.ndarray, " nnz"],
    value: Float[np.ndarray, " nnz"],
    places: TokenTable,
    d_sae: int,
) -> Statistics:
    """Of entries in any order."""
    order = np.lexsort((token, latent))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(latent, minlength=d_sae))])
    rows = places.row_of(np.asarray(token)[order])
    found = Sums.join(list(sums_of(indptr, rows, value[order].astype(np.float32))))
    content = int(places.content(0, len(places)).sum()) if places.known else len(places)
    return Statistics(**vars(found), edges=EDGES, tokens=content)


def sums_of(
    indptr: Int[np.ndarray, " d_sae1"], rows: Int[np.ndarray, " nnz"], values: Float[np.ndarray, " nnz"]
) -> Iterator[Sums]:
    """Block by block of latents, of entries sorted by latent and token; `rows`: where each token stands."""
    for first, last in blocks(indptr, _ENTRIES):
        part = slice(int(indptr[first]), int(indptr[last]))
        yield _sums(indptr[first : last + 1] - indptr[first], rows[part], values[part])


def blocks(indptr: Int[np.ndarray, " d_sae1"], entries: int) -> Iterator[tuple[int, int]]:
    """Consecutive latents, first to last - 1, with so many entries together, or one with more."""
    first, d_sae = 0, len(indptr) - 1
    while first < d_sae:
        last = int(np.searchsorted(indptr, indptr[first] + entries, side="right")) - 1
        last = min(max(last, first + 1), first + _LATENTS)
        yield first, last
        first = last


def _sums(indptr: np.ndarray, rows: np.ndarray, values: np.ndarray) -> Sums:
    count = np.diff(indptr).astype(np.int64)
    fires = np.flatnonzero(count)
    starts = indptr[fires]
    wide = values.astype(np.float64)
    new = np.ones(len(rows), np.int64)
    new[1:] = rows[1:] != rows[:-1]
    new[starts] = 1
    total, squares, largest = (np.zeros(len(count)) for _ in range(3))
    seen = np.zeros(len(count), np.int64)
    if len(fires):
        total[fires] = np.add.reduceat(wide, starts)
        squares[fires] = np.add.reduceat(wide * wide, starts)
        largest[fires] = np.maximum(np.maximum.reduceat(wide, starts), 0)
        seen[fires] = np.add.reduceat(new, starts)
    place = np.repeat(np.arange(len(count)) * BINS, count) + _bins(values)
    histogram = np.bincount(place, minlength=len(count) * BINS).reshape(-1, BINS)
    return Sums(count, total, squares, largest, seen, histogram)


def _bins(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The bin of each value, out of the bits of a float32; what lies outside counts at the ends."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    twice = (bits >> 23) + ((bits + np.int32(_HALF)) >> 23)
    return np.clip(twice - _LOWEST, 0, BINS - 1)
