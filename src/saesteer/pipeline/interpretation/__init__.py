"""Automatic interpretation from a cache to scores: resumable, many latents at once.

Knows the order of the stages and the folder of results; every stage is a call to another room.
"""

from saesteer.pipeline.interpretation.pipes import Outcome, Pipe, Pipeline
from saesteer.pipeline.interpretation.results import Results, load_results, save_results

__all__ = ["Outcome", "Pipe", "Pipeline", "Results", "load_results", "save_results"]
