"""Where a latent fires, in few windows: where it is strongest, and then in each fifth of its range.

Knows a cache; no explanation. Reads one slice of it and the tokens around the windows that are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int, UInt8

from saesteer.cache import Entries, LatentCache, TokenTable
from saesteer.examples import Example
from saesteer.examples.building import activations

BANDS: Final = 5
_TRIED: Final = 16  # candidates for each window that is wanted


@dataclass(frozen=True, eq=False)
class Contexts:
    """Windows whose strongest token lies in one part of the latent's range."""

    low: float
    high: float
    share: float
    """Of all tokens at which it fires, those in this part."""
    top: bool
    """Whether these are the strongest of all."""
    examples: tuple[Example, ...]


def contexts(
    cache: LatentCache, entries: Entries, strongest: int = 12, per_band: int = 3, length: int = 40
) -> tuple[Contexts, ...]:
    """The strongest windows first, then the bands from the strongest to the weakest; no window twice."""
    values = entries.values
    if not len(entries):
        return ()
    largest = float(values.max())
    edges = (largest * np.arange(BANDS + 1) / BANDS).astype(np.float32)
    band = _bands(values, edges)
    taken: list[tuple[int, int]] = []
    wanted = _strongest(values, band, _TRIED * strongest)
    tops = _windows(cache, entries, wanted, strongest, length, taken)
    low = min(each.max for each in tops)
    share = np.count_nonzero(values >= np.float32(low)) / len(values)
    found = [Contexts(low, largest, share, True, tops)]
    for place in reversed(range(BANDS)):
        inside = np.flatnonzero(band == place)
        spread = inside[np.linspace(0, len(inside) - 1, min(len(inside), _TRIED * per_band)).astype(int)]
        ends = float(edges[place]), float(edges[place + 1])
        shown = _windows(cache, entries, _apart(spread), per_band, length, taken, ends[1])
        if shown:
            found.append(Contexts(*ends, len(inside) / len(values), False, shown))
    return tuple(found)


def window_at(cache: LatentCache, entries: Entries, start: int, length: int) -> Example | None:
    """The window that begins at a token of the cache; None where there is no such token."""
    if not 0 <= start < len(cache.tokens):
        return None
    row = int(cache.tokens.row_of(np.array([start]))[0])
    stop = min(start + length, int(cache.tokens.starts[row + 1]))
    special = np.flatnonzero(~cache.tokens.content(start, stop))
    return _example(cache, entries, start, start + int(special[0]) if len(special) else stop, row)


def _bands(values: Float[np.ndarray, " m"], edges: Float[np.ndarray, " bands1"]) -> UInt8[np.ndarray, " m"]:
    """The part of the range of each value, 0 the weakest; a value on an edge is in the part below it."""
    found = np.zeros(len(values), np.uint8)
    for edge in edges[1:-1]:
        found += values > edge
    return found


def _strongest(
    values: Float[np.ndarray, " m"], band: UInt8[np.ndarray, " m"], n: int
) -> Int[np.ndarray, " chosen"]:
    """Places of the `n` largest, the largest first, ties by the earlier token; few are looked at closely."""
    place, chosen = BANDS, np.zeros(0, np.int64)
    while place and len(chosen) < n:
        place -= 1
        chosen = np.flatnonzero(band >= place)
    near = values[chosen]
    if len(chosen) > n:
        least = np.partition(near, -n)[-n]
        above = chosen[near > least]
        chosen = np.concatenate([above, chosen[near == least][: n - len(above)]])
    return chosen[np.lexsort((chosen, -values[chosen]))]


def _apart(places: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    """From all over the texts, not from their beginning."""
    number = np.arange(len(places))
    return places[np.argsort((number * 7919 + len(places) // 2) % max(1, len(places)), kind="stable")]


def _windows(
    cache: LatentCache,
    entries: Entries,
    candidates: Int[np.ndarray, " m"],
    n: int,
    length: int,
    taken: list[tuple[int, int]],
    ceiling: float = float("inf"),
) -> tuple[Example, ...]:
    """Around the candidates in their order, `n` at most, none over another, none that is above `ceiling`."""
    starts, stops, rows = _around(cache.tokens, entries.tokens[candidates], length)
    fits = activations(starts, stops, entries, length).max(1, initial=0) <= ceiling * (1 + 1e-6)
    found: list[Example] = []
    for start, stop, row in zip(*(each[fits].tolist() for each in (starts, stops, rows)), strict=True):
        if len(found) == n:
            break
        if not any(start < high and stop > low for low, high in taken):
            taken.append((start, stop))
            found.append(_example(cache, entries, start, stop, row))
    return tuple(found)


def _around(
    tokens: TokenTable, peaks: Int[np.ndarray, " m"], length: int
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Starts, stops, rows: within a row and between special tokens, three quarters before the peak."""
    rows = tokens.row_of(peaks)
    low, high = tokens.starts[rows], tokens.starts[rows + 1]
    start = np.maximum(low, np.minimum(peaks - 3 * length // 4, high - length))
    stop = np.minimum(high, start + length)
    places, peak = start[:, None] + np.arange(length), peaks[:, None]
    ids = tokens.ids[np.minimum(places, len(tokens) - 1)]
    special = np.any([ids == each for each in tokens.special_ids], axis=0) & (places < stop[:, None])
    after = np.where(special & (places < peak), places + 1, 0).max(1, initial=0)
    until = np.where(special & (places > peak), places, len(tokens)).min(1, initial=len(tokens))
    return np.maximum(start, after), np.minimum(stop, until), rows


def _example(cache: LatentCache, entries: Entries, start: int, stop: int, row: int) -> Example:
    ids = np.asarray(cache.tokens.ids[start:stop]).astype(np.int64)
    ends = np.array([start]), np.array([stop])
    values = activations(*ends, entries, stop - start)[0]
    return Example(ids, tuple(cache.strings[each] for each in ids.tolist()), values, int(start), row)
