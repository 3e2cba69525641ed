"""An SAE's latents in a few numbers: how many live, how many fire often, how many stand for one token.

Knows a cache; reads its entries only where the cache was made before these numbers were kept with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saesteer.cache.cache import LatentCache
from saesteer.cache.single_token import single_token


@dataclass(frozen=True)
class Overview:
    """Shares of all latents of an SAE."""

    latents: int
    alive: float
    """Active at any token that was read."""
    above_1: float
    """Active at more than 1 % of the content tokens."""
    above_10: float
    single_token: float | None
    """The stronger half of its kept entries is all at the same token, of 2 or more. None: no token ids."""


def overview(cache: LatentCache, name: str) -> Overview:
    """Of one SAE of the cache; statistics are of all that was read, single tokens of what was kept."""
    table = cache[name]
    density = np.asarray(table.statistics.density)
    return Overview(
        table.d_sae,
        float((np.asarray(table.statistics.count) > 0).mean()),
        float((density > 0.01).mean()),
        float((density > 0.1).mean()),
        _single(cache, name),
    )


def _single(cache: LatentCache, name: str) -> float | None:
    table = cache[name]
    found = table.single
    if found is None and cache.tokens.known:
        found = single_token(
            np.asarray(cache.tokens.ids), np.asarray(table.indptr), table.tokens, table.values
        )
    return None if found is None else float(np.mean(found))
