"""Example objects from places in a cache: one table look-up for all of a latent's windows.

Knows the token table and a latent's entries; not why these windows were chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import Entries, LatentCache
from saesteer.examples.records import Example


class Builder:
    """Of one cache; keeps a table from token id to text."""

    def __init__(self, cache: LatentCache) -> None:
        self._ids = np.asarray(cache.tokens.ids)
        self._places = cache.tokens
        self._strings = np.array([*cache.strings, None], dtype=object)[:-1]  # never read as characters

    def examples(
        self,
        starts: Int[np.ndarray, " n"],
        stops: Int[np.ndarray, " n"],
        entries: Entries,
        quantiles: Sequence[int | None],
        kinds: Sequence[str],
        similarities: Sequence[float | None],
    ) -> list[Example]:
        """One per window, in their order."""
        width = int((stops - starts).max(initial=0))
        places = np.minimum(starts[:, None] + np.arange(width), len(self._ids) - 1)
        ids = self._ids[places].astype(np.int64)
        sizes = stops - starts
        short = [(i, int(sizes[i])) for i in np.flatnonzero(sizes < width).tolist()]
        rows = zip(
            _cut(list(ids), short),
            map(tuple, _cut(self._strings.take(ids).tolist(), short)),
            _cut(list(activations(starts, stops, entries, width)), short),
            starts.tolist(),
            self._places.row_of(starts).tolist(),
            quantiles,
            kinds,
            similarities,
            strict=True,
        )
        return list(_made(rows))


def _made(rows: Iterable[tuple[Any, ...]]) -> Iterator[Example]:
    """Example(...) of each row, in a third of the time that the `__init__` of a frozen dataclass takes."""
    new = object.__new__
    for ids, tokens, activations, start, row, quantile, kind, similarity in rows:
        made = new(Example)
        fields = made.__dict__
        fields["ids"] = ids
        fields["tokens"] = tokens
        fields["activations"] = activations
        fields["start"] = start
        fields["row"] = row
        fields["quantile"] = quantile
        fields["kind"] = kind
        fields["similarity"] = similarity
        yield made


def _cut(rows: list[Any], short: list[tuple[int, int]]) -> list[Any]:
    """The rows, those that are short at their size."""
    for i, size in short:
        rows[i] = rows[i][:size]
    return rows


def activations(
    starts: Int[np.ndarray, " n"], stops: Int[np.ndarray, " n"], entries: Entries, width: int
) -> Float[np.ndarray, "n width"]:
    """Of one latent in windows; 0 where it has no entry."""
    low, high = np.searchsorted(entries.tokens, starts), np.searchsorted(entries.tokens, stops)
    counts = high - low
    window = np.repeat(np.arange(len(starts)), counts)
    entry = np.arange(len(window)) + (low - (np.cumsum(counts) - counts))[window]
    found = np.zeros((len(starts), width), np.float32)
    found[window, entries.tokens[entry] - starts[window]] = entries.values[entry]
    return found
