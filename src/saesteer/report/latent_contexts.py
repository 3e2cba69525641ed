"""Where a latent fires, in few windows: where it is strongest, and then in each fifth of its range.

Knows a cache; no explanation. Reads one slice of it and the tokens around the windows that are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

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
    taken: set[tuple[int, int]] = set()
    largest = float(values.max())
    tops = _windows(cache, entries, _strongest(values, _TRIED * strongest), strongest, length, taken)
    low = min(each.max for each in tops)
    found = [Contexts(low, largest, float((values >= low).mean()), True, tops)]
    edges = largest * np.arange(BANDS + 1) / BANDS
    band = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, BANDS - 1)
    for place in reversed(range(BANDS)):
        inside = np.flatnonzero(band == place)
        spread = inside[np.linspace(0, len(inside) - 1, min(len(inside), _TRIED * per_band)).astype(int)]
        shown = _windows(cache, entries, _apart(spread), per_band, length, taken, float(edges[place + 1]))
        share = len(inside) / len(values)
        if shown:
            found.append(Contexts(float(edges[place]), float(edges[place + 1]), share, False, shown))
    return tuple(found)


def window_at(cache: LatentCache, entries: Entries, start: int, length: int) -> Example | None:
    """The window that begins at a token of the cache; None where there is no such token."""
    if not 0 <= start < len(cache.tokens):
        return None
    row = int(cache.tokens.row_of(np.array([start]))[0])
    stop = min(start + length, int(cache.tokens.starts[row + 1]))
    special = np.flatnonzero(~cache.tokens.content(start, stop))
    return _example(cache, entries, start, start + int(special[0]) if len(special) else stop, row)


def _strongest(values: Float[np.ndarray, " m"], n: int) -> Iterable[int]:
    """Of few the order is found without sorting all; ties go to the earlier token."""
    chosen = np.arange(len(values)) if len(values) <= n else np.argpartition(-values, n)[:n]
    return chosen[np.lexsort((chosen, -values[chosen]))].tolist()


def _apart(places: Int[np.ndarray, " m"]) -> Iterator[int]:
    """From all over the texts, not from their beginning."""
    half = len(places) // 2
    order = sorted(range(len(places)), key=lambda place: ((place * 7919 + half) % max(1, len(places)), place))
    yield from (int(places[each]) for each in order)


def _windows(
    cache: LatentCache,
    entries: Entries,
    candidates: Iterable[int],
    n: int,
    length: int,
    taken: set[tuple[int, int]],
    ceiling: float = float("inf"),
) -> tuple[Example, ...]:
    """Around the candidates in their order, `n` at most, none over another, none that is above `ceiling`."""
    found: list[Example] = []
    for each in candidates:
        if len(found) == n:
            break
        start, stop, row = _around(cache.tokens, int(entries.tokens[each]), length)
        if any(start < high and stop > low for low, high in taken):
            continue
        example = _example(cache, entries, start, stop, row)
        if example.max <= ceiling * (1 + 1e-6):
            taken.add((start, stop))
            found.append(example)
    return tuple(found)


def _around(tokens: TokenTable, peak: int, length: int) -> tuple[int, int, int]:
    """Start, stop and row: within the row and between special tokens, three quarters before the peak."""
    row = int(tokens.row_of(np.array([peak]))[0])
    low, high = int(tokens.starts[row]), int(tokens.starts[row + 1])
    start = max(low, min(peak - 3 * length // 4, high - length))
    stop = min(high, start + length)
    special = start + np.flatnonzero(~tokens.content(start, stop))
    return max([start, *(special[special < peak] + 1)]), min([stop, *special[special > peak]]), row


def _example(cache: LatentCache, entries: Entries, start: int, stop: int, row: int) -> Example:
    ids = np.asarray(cache.tokens.ids[start:stop]).astype(np.int64)
    ends = np.array([start]), np.array([stop])
    values = activations(*ends, entries, stop - start)[0]
    return Example(ids, tuple(cache.strings[each] for each in ids.tolist()), values, int(start), row)
