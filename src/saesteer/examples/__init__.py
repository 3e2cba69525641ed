"""Examples of latents, drawn from a cache, and the records that explainers and scorers exchange.

Knows: caches, windows, sampling, sentence embeddings. Does not know: explainers, scorers, clients' answers.
"""

from saesteer.examples.records import (
    LEVELS,
    Example,
    Explanation,
    Failure,
    LatentId,
    LatentRecord,
    Score,
)

__all__ = ["LEVELS", "Example", "Explanation", "Failure", "LatentId", "LatentRecord", "Score"]
