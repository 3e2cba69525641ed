"""Examples of latents, drawn from a cache, and the records that explainers and scorers exchange.

Knows: caches, windows, sampling, sentence embeddings. Does not know: explainers, scorers, clients' answers.
"""

from saesteer.examples.grid import Grid
from saesteer.examples.loader import Loader
from saesteer.examples.marking import CLOSE, OPEN, levelled, marked
from saesteer.examples.records import (
    LEVELS,
    Example,
    Explanation,
    Failure,
    LatentId,
    LatentRecord,
    Score,
    Skipped,
)
from saesteer.examples.results import Interpretation, LatentFigures
from saesteer.examples.samplers import SAMPLERS, Pool
from saesteer.examples.settings import PRESETS, ExampleSettings
from saesteer.examples.silent import NEGATIVES, Picks, Sought
from saesteer.examples.windows import WINDOWS, Windows

__all__ = [
    "CLOSE",
    "LEVELS",
    "NEGATIVES",
    "OPEN",
    "PRESETS",
    "SAMPLERS",
    "WINDOWS",
    "Example",
    "ExampleSettings",
    "Explanation",
    "Failure",
    "Grid",
    "Interpretation",
    "LatentFigures",
    "LatentId",
    "LatentRecord",
    "Loader",
    "Picks",
    "Pool",
    "Score",
    "Skipped",
    "Sought",
    "Windows",
    "levelled",
    "marked",
]
