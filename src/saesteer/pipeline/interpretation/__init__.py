"""Automatic interpretation from a cache to scores: resumable, many latents at once.

Knows the order of the stages and the folder of results; every stage is a call to another room.
"""

from saesteer.pipeline.interpretation.calls import explain, score
from saesteer.pipeline.interpretation.choosing import choose
from saesteer.pipeline.interpretation.config import InterpretConfig
from saesteer.pipeline.interpretation.interpret import Watch, interpret
from saesteer.pipeline.interpretation.pipes import Outcome, Pipe, Pipeline
from saesteer.pipeline.interpretation.progress import Progress
from saesteer.pipeline.interpretation.results import Results, load_results, save_results
from saesteer.pipeline.interpretation.searching import Match, Matches, search_explanations

__all__ = [
    "InterpretConfig",
    "Match",
    "Matches",
    "Outcome",
    "Pipe",
    "Pipeline",
    "Progress",
    "Results",
    "Watch",
    "choose",
    "explain",
    "interpret",
    "load_results",
    "save_results",
    "score",
    "search_explanations",
]
