"""Which tokens of a window are marked: where the latent is active, or by chance. Knows windows only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from saesteer.examples import Example


def true_marks(example: Example, threshold: float = 0.0) -> Bool[np.ndarray, " n"]:
    """Tokens more active than `threshold` times the window's largest activation."""
    return example.active & (example.activations > threshold * example.max)


def random_marks(
    example: Example, count: int, luck: np.random.Generator, without: Bool[np.ndarray, " n"] | None = None
) -> Bool[np.ndarray, " n"]:
    """`count` tokens, or as many as there are: words before blanks, and none of those in `without`."""
    free = np.ones(len(example.tokens), dtype=bool) if without is None else ~without
    blank = np.array([not token.strip() for token in example.tokens], dtype=bool)
    words, blanks = np.flatnonzero(free & ~blank), np.flatnonzero(free & blank)
    order = np.concatenate([luck.permutation(words), luck.permutation(blanks)]).astype(int)
    found = np.zeros(len(example.tokens), dtype=bool)
    found[order[:count]] = True
    return found


def mean_count(examples: Sequence[Example], threshold: float = 0.0) -> int:
    """Marked tokens of a window on average, at least 1."""
    counts = [int(true_marks(each, threshold).sum()) for each in examples]
    return max(1, round(float(np.mean(counts)))) if counts else 1
