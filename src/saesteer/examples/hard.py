"""Silent windows that are hard to tell from active ones: where like latents fire, or of like meaning.

Knows neighbours and embedded windows; not how either was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from saesteer.examples.silent import Picks, SilentKind, Sought, random_windows

_ENTRIES: Final = 4096  # of a neighbour that are looked at; drawn where it has more
_COSINES: Final = 1 << 24  # held at once


class Hard(NamedTuple):
    """Why a window was chosen."""

    kind: SilentKind
    similarity: float


def neighbour_windows(sought: Sought) -> Picks:
    """Windows in which a like latent is active, in turn from each, nearest first; then random ones."""
    return _filled(sought, _firing(sought))


def semantic_windows(sought: Sought) -> Picks:
    """Windows of like meaning, in turn for each example its nearest; then random ones."""
    return _filled(sought, _alike(sought))


def mixed_windows(sought: Sought) -> Picks:
    """A third of each kind; random ones in place of those that there are not."""
    third = sought.n // 3
    firing = _firing(replace(sought, n=third))
    alike = _alike(replace(sought, n=third + len(firing)))
    others = [each for each in alike.items() if each[0] not in firing]
    return _filled(sought, {**firing, **dict(others[:third])})


def _firing(sought: Sought) -> dict[int, Hard]:
    found = [
        [(window, Hard("neighbour", each.similarity)) for window in _windows_of(sought, each.latent)]
        for each in sought.around.neighbours(sought.id.sae).of(sought.id.latent)
    ]
    return _first(filter(None, chain.from_iterable(zip_longest(*found))), sought.n)


def _alike(sought: Sought) -> dict[int, Hard]:
    pool = sought.around.embedded()
    silent = np.flatnonzero(sought.silent(pool.windows))
    if not len(silent) or not sought.n:
        return {}
    best, cosines = _nearest(sought.around.vectors(sought.near), pool.vectors[silent], sought.n)
    pairs = zip(pool.windows[silent][best.T.ravel()].tolist(), cosines.T.ravel().tolist(), strict=True)
    return _first(((window, Hard("semantic", cosine)) for window, cosine in pairs), sought.n)


def _windows_of(sought: Sought, latent: int) -> list[int]:
    """Silent windows in which another latent is active, in random order."""
    tokens = sought.around.entries(sought.id.sae, latent).tokens
    if len(tokens) > _ENTRIES:
        tokens = tokens[np.sort(sought.draw.choice(len(tokens), _ENTRIES, replace=False, shuffle=False))]
    windows = np.array(sought.fresh(sought.grid.window_of(tokens)), np.int64)
    return sought.draw.permutation(windows)[: sought.n].tolist()


def _nearest(
    queries: Float[np.ndarray, "q d"], pool: Float[np.ndarray, "p d"], n: int
) -> tuple[Int[np.ndarray, "q n"], Float[np.ndarray, "q n"]]:
    """For each query the `n` nearest of the pool and their cosines."""
    n = min(n, len(pool))
    best = np.empty((len(queries), n), np.int64)
    cosines = np.empty((len(queries), n))
    step = max(1, _COSINES // len(pool))
    for low in range(0, len(queries), step):
        found = queries[low : low + step] @ pool.T
        some = np.argpartition(-found, n - 1, axis=1)[:, :n]
        order = np.lexsort((some, -np.take_along_axis(found, some, 1)), axis=1)
        best[low : low + step] = np.take_along_axis(some, order, 1)
        cosines[low : low + step] = np.take_along_axis(found, best[low : low + step], 1)
    return best, cosines


def _first(pairs: Iterable[tuple[int, Hard]], n: int) -> dict[int, Hard]:
    """The first `n` different windows."""
    found: dict[int, Hard] = {}
    for window, hard in pairs:
        if len(found) == n:
            break
        found.setdefault(window, hard)
    return found


def _filled(sought: Sought, hard: Mapping[int, Hard]) -> Picks:
    """With random windows up to what was asked."""
    missing = sought.n - len(hard)
    others = [each for each in random_windows(sought).windows.tolist() if each not in hard][:missing]
    random: SilentKind = "random"
    return Picks(
        np.array([*hard, *others], np.int64),
        (*(each.kind for each in hard.values()), *[random] * len(others)),
        (*(each.similarity for each in hard.values()), *[None] * len(others)),
    )
