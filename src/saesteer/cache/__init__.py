"""The latents of many tokens on disk, latent by latent, so that all that one of them did is one slice.

Knows: a model's door, SAEs, files. Does not know: examples, explanations.
"""

from saesteer.cache.cache import Entries, LatentCache, LatentTable, Statistics, TokenTable
from saesteer.cache.in_memory import cache_of_matrix
from saesteer.cache.making import cache_latents
from saesteer.cache.opening import open_cache
from saesteer.cache.progress import Progress
from saesteer.cache.reference import read_reference
from saesteer.cache.reference_writing import write_reference
from saesteer.cache.statistics import statistics_of
from saesteer.cache.summary import Overview, overview

__all__ = [
    "Entries",
    "LatentCache",
    "LatentTable",
    "Overview",
    "Progress",
    "Statistics",
    "TokenTable",
    "cache_latents",
    "cache_of_matrix",
    "open_cache",
    "overview",
    "read_reference",
    "statistics_of",
    "write_reference",
]
