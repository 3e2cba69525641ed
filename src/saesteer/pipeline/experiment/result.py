"""A run as it lies on the disk: what was asked, every cell's samples and how it ended. Loads no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.evaluation import Judgements, RowJudgement, SideEffects, SweepResult
from saesteer.evaluation.judgements import FILE
from saesteer.pipeline.experiment.cell import TESTED, TRIED
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.method_choice import MethodChoice
from saesteer.pipeline.experiment.planning import BASE, CELL, ended
from saesteer.report import Report
from saesteer.runs import Journal, alone, contained, read_json, read_yaml

EXPERIMENT: Final = "experiment.yaml"
LOCK: Final = ".run.lock"
RUN: Final = "run.json"
COSTS: Final = "costs.jsonl"
TABLE: Final = "results.csv"
REPORT: Final = "report.html"


@dataclass(frozen=True, eq=False)
class CellResult:
    """One concept by one method."""

    concept: str
    method: MethodChoice
    folder: str
    """Below the run's."""
    record: Mapping[str, Any]
    """What cell.json says; empty where it was never done, or only for what was asked here before."""
    tried: SweepResult | None
    """The selection half; None where the cell failed."""
    tested: SweepResult | None
    """The chosen setting on the test half; None where nothing was chosen."""
    beside: SideEffects | None

    @property
    def error(self) -> str | None:
        """Why it failed, in one line; None where it did not."""
        if not self.record:
            return "not done yet; run it again"
        return self.record.get("error")

    def judgements(self) -> list[RowJudgement]:
        """What further judges said of the test half."""
        return judgements_in(self.tested)


@dataclass(frozen=True, eq=False)
class ExperimentRun:
    """A run that has ended, well or not."""

    folder: Path
    config: ExperimentConfig
    about: Mapping[str, Any]
    """What run.json says."""
    base: SweepResult
    """The plain model, judged for every concept."""
    cells: tuple[CellResult, ...]
    costs: tuple[Mapping[str, Any], ...]
    told: Report | None = None
    """What its report says, where that was made just now."""

    @property
    def failures(self) -> tuple[CellResult, ...]:
        """The cells that have no result."""
        return tuple(each for each in self.cells if each.error is not None)

    @property
    def failed(self) -> list[dict[str, str | None]]:
        """Where each failure was, and what was said."""
        return [
            {"where": f"{each.concept} · {each.method.name}", "what": each.error} for each in self.failures
        ]

    def of(self, concept: str) -> tuple[CellResult, ...]:
        """The cells of a concept that have results."""
        return tuple(each for each in self.cells if each.concept == concept and each.error is None)

    @property
    def report(self) -> Path:
        return self.folder / REPORT


def is_run(folder: str | Path) -> bool:
    """Whether a folder is one of an experiment."""
    return (Path(folder) / EXPERIMENT).is_file() and (Path(folder) / RUN).is_file()


def held(folder: str | Path) -> AbstractContextManager[None]:
    """Around writing into a run's folder; SaesteerError where another process works there."""
    return alone(Path(folder) / LOCK, Path(folder))


def load_run(folder: str | Path) -> ExperimentRun:
    """A run from its folder; InputError where it is none, CorruptFile where something was changed."""
    folder = Path(folder)
    if not is_run(folder):
        raise InputError(
            f"{folder} is no folder of saesteer run: it lacks {EXPERIMENT} or {RUN}; check the path"
        )
    config = ExperimentConfig.from_dict(read_yaml(folder / EXPERIMENT))
    about = read_json(folder / RUN)
    if not isinstance(about, dict) or not isinstance(about.get("cells"), list):
        raise CorruptFile(f"{folder / RUN} is not of this version; run it again")
    model = about.get("model", {}).get("fingerprint")
    if not ended(folder, BASE, about.get("base"), model):
        raise InputError(f"{folder} is a run that has not come to its first results; run it again")
    methods = {each.name: each for each in config.methods}
    cells = tuple(_cell(folder, each, methods, model) for each in about["cells"])
    # Those of another experiment, which was run in this folder before, stand beside no estimate of this one.
    costs = tuple(each for each in Journal(folder / COSTS) if each.get("asked") == about["asked"])
    return ExperimentRun(folder, config, about, SweepResult.load(folder / BASE), cells, costs)


def judgements_in(result: SweepResult | None) -> list[RowJudgement]:
    """What lies beside a sweep's rows."""
    if result is None or result.folder is None or not (result.folder / FILE).is_file():
        return []
    return Judgements(result.folder).read()


def _cell(
    root: Path, entry: Mapping[str, Any], methods: Mapping[str, MethodChoice], model: Any
) -> CellResult:
    try:
        concept, method, folder = entry["concept"], methods[entry["method"]], entry["folder"]
        digest = entry["digest"]
    except (KeyError, TypeError) as error:
        raise CorruptFile(
            f"{root / RUN} names a cell that its config has not ({error}); run it again"
        ) from error
    place = contained(root, folder)
    record = ended(root, folder, digest, model)
    if not record or record.get("error") is not None:
        return CellResult(concept, method, folder, record, None, None, None)
    with whole(root, folder):
        tested = SweepResult.load(place / TESTED) if record.get("chosen") else None
        beside = SideEffects.load(contained(root, record["beside"])) if record.get("beside") else None
        return CellResult(concept, method, folder, record, SweepResult.load(place / TRIED), tested, beside)


@contextmanager
def whole(root: Path, folder: str) -> Iterator[None]:
    """Around reading the parts of a cell that says it is done: what to do where one was changed."""
    try:
        yield
    except SaesteerError as error:
        raise CorruptFile(
            f"{error}; to have it made anew, delete {root / folder / CELL} and run the experiment again"
        ) from error
