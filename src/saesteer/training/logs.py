"""Where the records of a run go: one small protocol, and what stands behind it. Knows no training.

A log hears first which records there were before (those of the checkpoint that a run was taken up from), so
that what came after it and will come again does not stand twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

from saesteer.errors import CorruptFile, MissingExtra
from saesteer.names import Registry
from saesteer.runs import Journal, write_text
from saesteer.training.metrics import TrainMetrics

_BEST: Final = "best"  # of a run, in its own folder below the records


class MetricsLog(Protocol):
    """Something that hears of every record."""

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        """An SAE's run begins or is taken up after these records."""

    def write(self, name: str, metrics: TrainMetrics) -> None:
        """A new record of the SAE `name`."""

    def close(self) -> None:
        """All runs have ended."""


class JSONLines:
    """`metrics.jsonl` in each SAE's folder, one object per record."""

    FILE: Final = "metrics.jsonl"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        lines = [json.dumps(_finite(each)) + "\n" for each in earlier]
        write_text(self.folder / name / self.FILE, "".join(lines))

    def write(self, name: str, metrics: TrainMetrics) -> None:
        Journal(self.folder / name / self.FILE).append(_finite(metrics))

    def close(self) -> None:
        return


class TensorBoard:
    """Event files below `tensorboard/`, by tokens."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra.of("tensorboard", "tensorboard") from error
        self.folder, self._writer = folder / "tensorboard", SummaryWriter
        self._writers: dict[str, Any] = {}

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        after = earlier[-1].tokens + 1 if earlier else None
        self._writers[name] = self._writer(str(self.folder / name), purge_step=after)

    def write(self, name: str, metrics: TrainMetrics) -> None:
        for key, value in _finite(metrics).items():
            if key != "tokens" and value is not None:
                self._writers[name].add_scalar(key, value, metrics.tokens)

    def close(self) -> None:
        for each in self._writers.values():
            each.close()


class WandB:
    """One run of Weights & Biases per SAE, named by it, in the project that WANDB_PROJECT names."""

    def __init__(self, folder: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtra.of("wandb", "wandb") from error
        self.folder, self._wandb = folder, wandb
        self._runs: dict[str, Any] = {}

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        self._runs[name] = self._wandb.init(name=name, dir=str(folder), reinit="create_new")

    def write(self, name: str, metrics: TrainMetrics) -> None:
        self._runs[name].log(_finite(metrics), step=metrics.tokens)

    def close(self) -> None:
        for each in self._runs.values():
            each.finish()


LOGS: Registry[Callable[[Path], MetricsLog]] = Registry(
    "log", {"jsonl": JSONLines, "tensorboard": TensorBoard, "wandb": WandB}, group="saesteer.logs"
)


def read_metrics(folder: Path) -> tuple[TrainMetrics, ...]:
    """Records of the run that made the SAE in `folder`, or in best/ below it; empty where there are none."""
    path = folder / JSONLines.FILE
    if not path.is_file() and folder.name == _BEST:
        path = folder.parent / JSONLines.FILE
    return tuple(_metrics(each, path) for each in Journal(path))


def _metrics(record: Any, path: Path) -> TrainMetrics:
    try:
        found: dict[str, Any] = {name: math.nan if each is None else each for name, each in record.items()}
        return TrainMetrics(**found)
    except (AttributeError, TypeError) as error:
        raise CorruptFile(f"{path} holds a line that is no record of training; remove the file") from error


def _finite(metrics: TrainMetrics) -> dict[str, float | None]:
    return {name: each if math.isfinite(each) else None for name, each in asdict(metrics).items()}
