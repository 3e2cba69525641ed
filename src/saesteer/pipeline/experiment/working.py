"""What one process does with cells, whether it is the only one or one of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation import SweepResult
from saesteer.pipeline.experiment.base import load_base
from saesteer.pipeline.experiment.cell import run_cell
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.inputs import read_inputs
from saesteer.pipeline.experiment.planning import Cell, plan_of
from saesteer.pipeline.experiment.setup import Report, Setup, open_model


@dataclass(frozen=True, eq=False)
class Working:
    """The setup, the cells by their folders, and the plain model's samples."""

    setup: Setup
    cells: Mapping[str, Cell]
    base: SweepResult

    @classmethod
    def begin(cls, config: Mapping[str, Any], out: Path, device: str | None, model: str) -> Working:
        """In a new process; SaesteerError where the model loads as another one than where it was started."""
        chosen = ExperimentConfig.from_dict(config)
        inputs = read_inputs(chosen)
        lm = open_model(chosen, device)
        if lm.fingerprint() != model:
            raise SaesteerError(f"{lm.name} loads as another model than before ({model}); run it again")
        cells = {each.folder: each for each in plan_of(inputs).cells}
        return cls(Setup(lm, inputs, out), cells, load_base(out))

    def run(self, folder: str, report: Report) -> dict[str, Any]:
        """The record of the cell of a folder."""
        if folder not in self.cells:
            raise InputError(f"no cell has the folder {folder}; the files of the experiment changed under it")
        return run_cell(self.setup, self.cells[folder], self.base, report)
