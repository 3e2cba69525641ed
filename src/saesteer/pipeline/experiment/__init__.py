"""Experiments: concepts by methods by strengths by prompts by seeds by judges, in a folder that resumes.

Knows the order of the parts and what is kept of each; every part is a call to another room.
"""

from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.estimate import Estimate, Rate
from saesteer.pipeline.experiment.method_choice import MethodChoice
from saesteer.pipeline.experiment.reading import read_experiment
from saesteer.pipeline.experiment.recording import report_of, write_outcome
from saesteer.pipeline.experiment.result import CellResult, ExperimentRun, is_run, load_run
from saesteer.pipeline.experiment.running import Places, Prepared, prepare, run_experiment
from saesteer.pipeline.experiment.table import table_rows

__all__ = [
    "CellResult",
    "Estimate",
    "ExperimentConfig",
    "ExperimentRun",
    "MethodChoice",
    "Places",
    "Prepared",
    "Rate",
    "is_run",
    "load_run",
    "prepare",
    "read_experiment",
    "report_of",
    "run_experiment",
    "table_rows",
    "write_outcome",
]
