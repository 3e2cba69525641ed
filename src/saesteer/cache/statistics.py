"""Statistics per latent, from its entries; those of parts of a cache add up."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache.cache import Statistics, TokenTable

EDGES: Final = 2.0 ** np.arange(-10, 15.5, 0.5)
"""Of every histogram: half powers of two."""


def statistics_of(
    latent: Int[np.ndarray, " nnz"],
    token: Int[np.ndarray, " nnz"],
    value: Float[np.ndarray, " nnz"],
    places: TokenTable,
    d_sae: int,
) -> Statistics:
    """Of entries in any order."""
    value = value.astype(np.float64)
    bins = np.clip(np.searchsorted(EDGES, value, side="right") - 1, 0, len(EDGES) - 2)
    histogram = np.bincount(latent * (len(EDGES) - 1) + bins, minlength=d_sae * (len(EDGES) - 1))
    largest = np.zeros(d_sae)
    np.maximum.at(largest, latent, value)
    row = places.row_of(token)
    pairs = np.unique(latent.astype(np.int64) * len(places.starts) + row)
    return Statistics(
        count=np.bincount(latent, minlength=d_sae),
        sum=np.bincount(latent, value, d_sae),
        squares=np.bincount(latent, value**2, d_sae),
        max=largest,
        rows=np.bincount(pairs // len(places.starts), minlength=d_sae),
        histogram=histogram.reshape(d_sae, -1),
        edges=EDGES,
        tokens=int(places.content(0, len(places)).sum()),
    )
