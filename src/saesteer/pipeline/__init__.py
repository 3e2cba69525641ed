"""Whole studies: from a concept to steered texts, their judgement and a report.

Knows the order of the stages; every stage is a call to another room.
"""

from saesteer.pipeline.demo import DemoResult, run_demo
from saesteer.pipeline.experiment import (
    ExperimentConfig,
    ExperimentRun,
    load_run,
    read_experiment,
    run_experiment,
)
from saesteer.pipeline.study import Study, StudyConfig, study

__all__ = [
    "DemoResult",
    "ExperimentConfig",
    "ExperimentRun",
    "Study",
    "StudyConfig",
    "load_run",
    "read_experiment",
    "run_demo",
    "run_experiment",
    "study",
]
