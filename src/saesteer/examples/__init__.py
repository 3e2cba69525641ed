"""Examples of latents, drawn from a cache, and the records that explainers and scorers exchange.

Knows: caches, windows, sampling, neighbours, sentence embeddings. Does not know: explainers, scorers,
clients' answers.
"""

from saesteer.examples.embedded import EmbeddedWindows, embed_windows, store_embedded
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
from saesteer.examples.similar import SIMILARITIES, Neighbour, Neighbours, neighbours, store_neighbours
from saesteer.examples.windows import WINDOWS, Windows

__all__ = [
    "CLOSE",
    "LEVELS",
    "NEGATIVES",
    "OPEN",
    "PRESETS",
    "SAMPLERS",
    "SIMILARITIES",
    "WINDOWS",
    "EmbeddedWindows",
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
    "Neighbour",
    "Neighbours",
    "Picks",
    "Pool",
    "Score",
    "Skipped",
    "Sought",
    "Windows",
    "embed_windows",
    "levelled",
    "marked",
    "neighbours",
    "store_embedded",
    "store_neighbours",
]
