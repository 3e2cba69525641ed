"""The windows of text in which one latent is active: how they are cut, one function per form.

Knows a grid and a latent's entries; not which windows become examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import Entries
from saesteer.examples.grid import Grid
from saesteer.names import Registry


@dataclass(frozen=True, eq=False)
class Windows:
    """Where one latent is active: stretches of tokens in ascending order that do not overlap."""

    starts: Int[np.ndarray, " n"]
    stops: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    """The largest activation within each; above 0."""

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, which: Int[np.ndarray, " m"]) -> Windows:
        return Windows(self.starts[which], self.stops[which], self.scores[which])


Form = Callable[[Grid, Entries], Windows]


def tiled(grid: Grid, entries: Entries) -> Windows:
    """The grid's own windows, those with an entry above 0."""
    entries = above_zero(entries)
    stretch = grid.stretch_of(entries.tokens)
    starts = entries.tokens - (entries.tokens - grid.starts[stretch]) % grid.length
    first = _first(starts)
    if not len(first):
        return Windows(first, first, entries.values)
    stops = np.minimum(starts[first] + grid.length, grid.stops[stretch[first]])
    return Windows(starts[first], stops, np.maximum.reduceat(entries.values, first))


def centred(grid: Grid, entries: Entries) -> Windows:
    """Windows whose strongest token, the peak, stands at index length - length // 4.

    At the ends of a stretch the window is shifted. The stronger peak has its window first, and a weaker one
    whose window would overlap has none. In each round every stretch gives the window of its strongest peak.
    """
    entries = above_zero(entries)
    stretch = grid.stretch_of(entries.tokens)
    latest = np.maximum(grid.stops[stretch] - grid.length, grid.starts[stretch])
    ahead = min(grid.length - grid.length // 4, grid.length - 1)
    starts = np.clip(entries.tokens - ahead, grid.starts[stretch], latest)
    stops = np.minimum(starts + grid.length, grid.stops[stretch])
    peaks = np.flatnonzero(entries.values == _largest(entries, starts, stops))
    stretch, left = stretch[peaks], Windows(starts[peaks], stops[peaks], entries.values[peaks])
    chosen = []
    while len(left):
        first = _first(stretch)
        sizes = np.diff(first, append=len(stretch))
        best = np.flatnonzero(left.scores == np.repeat(np.maximum.reduceat(left.scores, first), sizes))
        best = best[_first(stretch[best])]
        chosen.append(left.take(best))
        apart = np.flatnonzero(np.abs(left.starts - np.repeat(left.starts[best], sizes)) >= grid.length)
        stretch, left = stretch[apart], left.take(apart)
    return _joined(chosen)


WINDOWS: Registry[Form] = Registry("form of windows", {"tiled": tiled, "centred": centred})


def above_zero(entries: Entries) -> Entries:
    """Without values that round to nothing, and without negative ones, which no window is found by."""
    if len(entries) and entries.values.min() > 0:
        return entries
    keep = entries.values > 0
    return Entries(entries.tokens[keep], entries.values[keep])


def in_order(windows: Windows) -> Windows:
    """By place."""
    return windows.take(np.argsort(windows.starts, kind="stable"))


def _largest(
    entries: Entries, starts: Int[np.ndarray, " n"], stops: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The largest value of each stretch of tokens; none is without an entry."""
    ends = np.searchsorted(entries.tokens, np.stack([starts, stops], 1).ravel())
    return np.maximum.reduceat(np.append(entries.values, np.float32(0)), ends)[::2]


def _joined(parts: list[Windows]) -> Windows:
    none = np.zeros(0, np.int64)
    return in_order(
        Windows(
            np.concatenate([none, *(each.starts for each in parts)]),
            np.concatenate([none, *(each.stops for each in parts)]),
            np.concatenate([np.zeros(0, np.float32), *(each.scores for each in parts)]),
        )
    )


def _first(ascending: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Index of the first of each run of equal numbers."""
    if not len(ascending):
        return np.zeros(0, np.int64)
    return np.concatenate([[0], np.flatnonzero(ascending[1:] != ascending[:-1]) + 1])
