"""Whole experiments: from a concept to steered texts, their judgement and a report.

Knows the order of the stages; every stage is a call to another room.
"""

from saesteer.pipeline.demo import demo_experiment, run_demo
from saesteer.pipeline.experiment import (
    ExperimentConfig,
    ExperimentRun,
    load_run,
    read_experiment,
    run_experiment,
)

__all__ = [
    "ExperimentConfig",
    "ExperimentRun",
    "demo_experiment",
    "load_run",
    "read_experiment",
    "run_demo",
    "run_experiment",
]
