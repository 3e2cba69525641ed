"""The text of a cache in windows of one length: which window a token stands in, by arithmetic alone.

Knows the token table; no latent. A stretch is a run of content tokens within one row: rows and special tokens
end it, so that no window crosses a row or holds a special token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Int

from saesteer.cache import TokenTable

_CHUNK: Final = 1 << 20  # tokens that are looked at together

Numbers = Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Stretches, each cut into windows of `length` from its start; what remains is a shorter window."""

    length: int
    starts: Int[np.ndarray, " stretches"]
    stops: Int[np.ndarray, " stretches"]
    rows: Int[np.ndarray, " stretches"]
    """The row in which each stretch stands."""

    @classmethod
    def of(cls, tokens: TokenTable, length: int) -> Grid:
        starts, stops = _stretches(tokens)
        return cls(length, starts, stops, tokens.row_of(starts))

    @cached_property
    def first(self) -> Int[np.ndarray, " stretches1"]:
        """The number of each stretch's first window; at the end the number of windows."""
        return np.concatenate([[0], np.cumsum(-(-(self.stops - self.starts) // self.length))])

    def __len__(self) -> int:
        return int(self.first[-1])

    def stretch_of(self, tokens: Numbers) -> Numbers:
        """The stretch of each token; tokens ascend."""
        if len(tokens) < 4 * len(self.starts):
            return np.searchsorted(self.starts, tokens, side="right") - 1
        before = np.searchsorted(tokens, self.starts[1:])
        return np.repeat(np.arange(len(self.starts)), np.diff(before, prepend=0, append=len(tokens)))

    def window_of(self, tokens: Numbers) -> Numbers:
        """The window of each token; tokens ascend."""
        stretch = self.stretch_of(tokens)
        return self.first[stretch] + (tokens - self.starts[stretch]) // self.length

    def bounds(self, windows: Numbers) -> tuple[Numbers, Numbers]:
        """First token of each window, and the token after its last."""
        stretch = np.searchsorted(self.first, windows, side="right") - 1
        starts = self.starts[stretch] + (windows - self.first[stretch]) * self.length
        return starts, np.minimum(starts + self.length, self.stops[stretch])


def _stretches(tokens: TokenTable) -> tuple[Numbers, Numbers]:
    special = _special(tokens)
    cuts = np.unique(np.concatenate([np.asarray(tokens.starts, np.int64), special, special + 1]))
    keep = ~np.isin(cuts[:-1], special, assume_unique=True)
    return cuts[:-1][keep], cuts[1:][keep]


def _special(tokens: TokenTable) -> Numbers:
    """Where special tokens stand."""
    if not tokens.special_ids:
        return np.zeros(0, np.int64)
    known = np.zeros(max(tokens.special_ids) + 2, bool)
    known[list(tokens.special_ids)] = True
    ids = np.asarray(tokens.ids)
    found = [
        at + np.flatnonzero(known[np.minimum(ids[at : at + _CHUNK], len(known) - 1)])
        for at in range(0, len(ids), _CHUNK)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])
