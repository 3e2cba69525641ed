"""An experiment from its config to a finished folder: plan, estimate, plain model, cells, report.

Knows the order and what is kept of a run as a whole; cells keep their own.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
import yaml

from saesteer.errors import InputError
from saesteer.pipeline.experiment.about import about_inputs, about_plan, noted_before
from saesteer.pipeline.experiment.base import run_base
from saesteer.pipeline.experiment.cell import Spent
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.estimate import Estimate, Rate, estimate, probe
from saesteer.pipeline.experiment.fitting import check_fitting
from saesteer.pipeline.experiment.inputs import Inputs, check_device, read_inputs
from saesteer.pipeline.experiment.planning import BASE, CELL, Cell, Plan, finished, left_of, plan_of
from saesteer.pipeline.experiment.recording import forget_outcome, write_outcome
from saesteer.pipeline.experiment.result import COSTS, EXPERIMENT, RUN, ExperimentRun, held, load_run
from saesteer.pipeline.experiment.setup import Report, Setup, open_model
from saesteer.pipeline.experiment.workers import Lose, Order, run_cells
from saesteer.pipeline.experiment.working import Working
from saesteer.runs import Journal, digest, versions, write_json, write_text

_QUIET: Final[Report] = lambda what, done, total: None  # noqa: E731


@dataclass(frozen=True)
class Places:
    """Where cells are done: how many processes, and on which devices."""

    processes: int = 1
    devices: tuple[str, ...] = ()
    """One process each, in place of `processes`."""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise InputError(f"processes is 1 or more, got {self.processes}")
        if self.devices and self.processes not in (1, len(self.devices)):
            raise InputError(
                f"{self.processes} processes and {len(self.devices)} devices; give one of the two"
            )
        for each in self.devices:
            check_device(each, "each of devices")

    @property
    def all(self) -> tuple[str | None, ...]:
        """A device, or None for the config's, of each process."""
        return self.devices or (None,) * self.processes

    @property
    def threads(self) -> int:
        """Of torch in each process: on one machine they share its cores."""
        return max(1, torch.get_num_threads() // len(self.all))


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment that has been checked: nothing is loaded or written until it is asked for."""

    inputs: Inputs
    plan: Plan
    out: Path
    places: Places

    @property
    def config(self) -> ExperimentConfig:
        return self.inputs.config

    @cached_property
    def asked(self) -> str:
        """Equal for the same experiment with the same content behind its names."""
        cells = [each.digest for each in self.plan.cells]
        return digest([self.config.to_dict(), self.plan.base_digest, cells])

    @property
    def left(self) -> tuple[Cell, ...]:
        """The cells that are not finished; of the model's fingerprint too, once it is loaded."""
        return left_of(self.plan, self.out, self._fingerprint)

    @cached_property
    def setup(self) -> Setup:
        """With the model, which is loaded now."""
        first = self.places.all[0]
        return Setup(open_model(self.config, first), self.inputs, self.out)

    def check_free(self) -> None:
        """SaesteerError where another process works in the folder; nothing needs to be loaded for it."""
        if self.out.is_dir():
            with held(self.out):
                pass

    def check(self) -> None:
        """InputError where what is left does not fit the model, which only a loaded one can tell."""
        setup = self.setup  # what is left is told by its model too
        if self.left:
            check_fitting(setup, self.left)

    def rate(self) -> Rate:
        """Measured by writing a batch with as many threads as each process will have."""
        texts = self.estimate().texts
        before = torch.get_num_threads()
        torch.set_num_threads(self.places.threads)
        try:
            return probe(self.setup, texts)
        finally:
            torch.set_num_threads(before)

    def estimate(self, rate: Rate | None = None) -> Estimate:
        """Of what is left; without a rate nothing is said of time."""
        base = finished(self.out, BASE, self.plan.base_digest, self._fingerprint)
        return estimate(self.inputs, self.plan, self.left, base, rate)

    def run(
        self, report: Report = _QUIET, command: str = "", foretold: Estimate | None = None
    ) -> ExperimentRun:
        """Do what is left, and write tables and report; failed cells are in the result, none is raised.

        `foretold`: what was said of it before, to stand beside what it took.
        """
        self.check_free()
        self.check()
        self.out.mkdir(parents=True, exist_ok=True)
        with held(self.out):
            about = self._begin(command, foretold or self.estimate())
            attempt = about["attempts"][-1]
            try:
                self._cells(report, attempt["lost"].append)
            finally:
                self.inputs.close()
                write_json(self.out / RUN, about)
            attempt["finished"] = _now()
            write_json(self.out / RUN, about)
            report("writing the report", 1, 1)
            found = load_run(self.out)
            return replace(found, told=write_outcome(found))

    def _begin(self, command: str, foretold: Estimate) -> dict[str, Any]:
        """The record of the run as a whole, on the disk before anything is done."""
        asked = self.asked
        about = noted_before(self.out / RUN, asked)
        if about is None:  # pages of another experiment are not to stand beside this one's record
            about = {}
            forget_outcome(self.out)
        write_text(self.out / EXPERIMENT, yaml.safe_dump(self.config.to_dict(), sort_keys=False, width=110))
        about |= {"title": self.config.title, "command": command, "asked": asked, "versions": versions()}
        about |= {"model": {"name": self.config.model.name, "fingerprint": self.setup.lm.fingerprint()}}
        about |= about_inputs(self.inputs) | about_plan(self.plan)
        about.setdefault("estimate", foretold.record)
        attempt = {"started": _now(), "processes": len(self.places.all), "lost": []}
        about.setdefault("attempts", []).append(attempt)
        write_json(self.out / RUN, about)
        return about

    def _cells(self, report: Report, lose: Lose) -> None:
        """The plain model's texts, then what is left of the cells."""
        costs, left = Journal(self.out / COSTS), [each.folder for each in self.left]
        start = time.monotonic()
        base, spent = run_base(self.setup, self.plan, report)
        asked = {"asked": self.asked}
        costs.append({"what": BASE, **asked, **asdict(spent)})
        begun = len(self.plan.cells) - len(left)
        many = len(self.places.all) > 1 and len(left) > 1
        if not many:
            working = Working(self.setup, {each.folder: each for each in self.plan.cells}, base)
            done: Iterator[tuple[str, Mapping[str, Any]]] = (
                (each, working.run(each, report)) for each in left
            )
        else:
            done = self._elsewhere(left, report, lose)
        for number, (folder, record) in enumerate(done, start=begun + 1):
            costs.append({"what": folder, **asked, **dict(record.get("spent") or {})})
            if "digest" not in record:  # its process died before it could say anything
                self._died(folder, record)
            report(folder.partition("/")[2], number, len(self.plan.cells))
        costs.append({"what": "wall", **asked, "wall_seconds": time.monotonic() - start})

    @property
    def _fingerprint(self) -> str | None:
        """Of the model, if it is loaded."""
        setup: Setup | None = self.__dict__.get("setup")
        return None if setup is None else setup.lm.fingerprint()

    def _elsewhere(
        self, left: Sequence[str], report: Report, lose: Lose
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        model, threads = self.setup.lm.fingerprint(), self.places.threads
        self.__dict__.pop("setup")  # the processes have models of their own
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        order = Order(self.config.to_dict(), str(self.out), model, threads)
        yield from run_cells(order, self.places.all, left, report, lose)

    def _died(self, folder: str, record: Mapping[str, Any]) -> None:
        cell = next(each for each in self.plan.cells if each.folder == folder)
        told = {"digest": cell.digest, "concept": cell.subject.concept.name, "method": cell.method.name}
        write_json(self.out / folder / CELL, told | {"error": record["error"], "spent": Spent()})


def prepare(
    config: ExperimentConfig | Mapping[str, Any], out: str | Path, places: Places = Places()
) -> Prepared:
    """Everything checked that can be checked without a model; InputError names what cannot be meant."""
    chosen = config if isinstance(config, ExperimentConfig) else ExperimentConfig.from_dict(config)
    inputs = read_inputs(chosen)
    return Prepared(inputs, plan_of(inputs), Path(out), places)


def run_experiment(
    config: ExperimentConfig | Mapping[str, Any],
    out: str | Path,
    *,
    processes: int = 1,
    devices: Sequence[str] = (),
    report: Report = _QUIET,
    command: str = "",
) -> ExperimentRun:
    """Run an experiment in the folder `out`, or what is left of it there; `read_experiment` reads a config.

    A method that fails on a concept is in `.failures`, and is tried again by the next run; nothing else is.
    Raises InputError, before anything is written, for what cannot be meant.
    """
    return prepare(config, out, Places(processes, tuple(devices))).run(report, command)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
