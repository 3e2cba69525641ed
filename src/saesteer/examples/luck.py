"""Random numbers that depend on names alone, at the cost of one hash. Knows no latent."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from saesteer.runs import digest


class _Hashed(ISeedSequence):
    """Seeds from a hash; SeedSequence mixes words by its own means and takes ten times as long."""

    def __init__(self, text: str) -> None:
        self._text = text

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        size = n_words * np.dtype(dtype).itemsize
        return np.frombuffer(blake2b(self._text.encode(), digest_size=size).digest(), dtype)


def digest_luck(seed: int, *what: object, digits: int = 32) -> np.random.Generator:
    """The same idea by an older hash, for names that JSON holds: what scorers and controls ever drew by it,
    they draw still. `digits`: of the hash that are the seed.
    """
    return np.random.default_rng(int(digest([seed, *what])[:digits], 16))


def luck(*names: object) -> np.random.Generator:
    """Another stream for other names; the same one wherever and whenever it is asked for."""
    return np.random.Generator(np.random.PCG64(cast(Any, _Hashed(repr(names)))))
