"""Examples of latents, drawn from a cache, and the records that explainers and scorers exchange.

Knows: caches, windows, sampling, sentence embeddings. Does not know: explainers, scorers, clients' answers.
"""

from saesteer.examples.marking import CLOSE, OPEN, levelled, marked
from saesteer.examples.records import (
    LEVELS,
    Example,
    Explanation,
    Failure,
    LatentId,
    LatentRecord,
    Score,
)
from saesteer.examples.results import Interpretation, LatentFigures

__all__ = [
    "CLOSE",
    "LEVELS",
    "OPEN",
    "Example",
    "Explanation",
    "Failure",
    "Interpretation",
    "LatentFigures",
    "LatentId",
    "LatentRecord",
    "Score",
    "levelled",
    "marked",
]
