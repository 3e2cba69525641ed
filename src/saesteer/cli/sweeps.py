"""The sweeps behind a folder that a verb is given: one sweep's own, or the test halves of a run's methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.evaluation import SweepResult


def sweeps_of(folder: Path) -> tuple[list[SweepResult], list[str]]:
    """The sweeps, and the files or names of a run's concepts; of a sweep's own folder none are known."""
    from saesteer.evaluation import SweepResult
    from saesteer.pipeline.experiment.result import is_run, load_run

    if not is_run(folder):
        return [SweepResult.load(folder)], []
    run = load_run(folder)
    found = [each.tested for each in run.cells if each.tested is not None]
    if not found:
        raise InputError(f"no method of the run {folder} has texts of the test half yet; run it on")
    return found, list(run.config.concepts) if isinstance(run.config.concepts, tuple) else []
