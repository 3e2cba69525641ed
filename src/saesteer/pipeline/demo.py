"""The demo: the experiment of demo.yaml, which needs nothing but this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from saesteer.pipeline.experiment import ExperimentConfig, ExperimentRun, read_experiment, run_experiment
from saesteer.pipeline.experiment.setup import Report

FILE: Final = Path(__file__).with_name("demo.yaml")


def demo_experiment(concepts: Sequence[str] = ()) -> ExperimentConfig:
    """The demo's experiment, on its own concepts or on others of the world: wedding or world/wedding."""
    config = read_experiment(FILE)
    if not concepts:
        return config
    return replace(config, concepts=tuple(f"world/{each.removeprefix('world/')}" for each in concepts))


def run_demo(
    out: Path,
    concepts: Sequence[str] = (),
    report: Report = lambda what, done, total: None,
    command: str = "saesteer demo",
) -> ExperimentRun:
    """Run it in the folder `out`, which ends with its report; another run goes on where one was stopped."""
    return run_experiment(demo_experiment(concepts), out, report=report, command=command)
