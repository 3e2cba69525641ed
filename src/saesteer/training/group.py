"""Train several SAEs from one stream of activations: any forms, widths, seeds and hookpoints.

Each has a folder of its own: the SAE itself, `best/`, `state.safetensors` to resume from, `metrics.jsonl`.
After a kill they may stand at different steps; those ahead pass over the batches that they have had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from saesteer.errors import InputError
from saesteer.latents import ActivationBatch
from saesteer.training.config import TrainConfig
from saesteer.training.logs import MetricsLog
from saesteer.training.trainer import Trainer, TrainResult
from saesteer.training.workers import ALONE, Workers

STATE: Final = "state.safetensors"
BEST: Final = "best"


class Stream(Protocol):
    """A source of batches that can be taken up anywhere."""

    def after(self, done: int) -> Iterator[ActivationBatch]: ...


@dataclass(frozen=True)
class Member:
    """One SAE of a group."""

    at: str
    """The hookpoint that it is trained at; one of those in the batches."""
    config: TrainConfig
    labels: tuple[int, ...] | None = None
    """Which columns of the batches' labels are those of its concepts; None: all, in their order."""


def train_saes(
    batches: Stream | Iterable[ActivationBatch],
    members: Mapping[str, Member],
    folder: str | Path | None = None,
    logs: Sequence[MetricsLog] = (),
    device: str = "cpu",
    model_name: str = "",
    metadata: Mapping[str, Any] | None = None,
    workers: Workers = ALONE,
) -> dict[str, TrainResult]:
    """Train every member until it has had its tokens; name -> result.

    `folder`: each member resumes from and writes to the folder of its name below it. The stream gives each
    batch once, whatever the number of members. `logs` hear of every record.
    """
    trainers = {
        name: _trainer(member, name, folder, device, model_name, metadata or {}, workers)
        for name, member in members.items()
    }
    if not trainers:
        raise InputError("there is no SAE to train; name at least one")
    step = min((each.step for each in trainers.values() if not each.done), default=0)
    stream = _after(batches, step)
    for log in logs:
        for name, trainer in trainers.items():
            log.begin(name, trainer.metrics)
    while waiting := {name: each for name, each in trainers.items() if not each.done}:
        batch = next(stream, None)
        for name, trainer in waiting.items():
            if trainer.step > step:
                continue
            metrics = trainer.take(*_inputs(batch, members[name], name))
            if metrics is not None:
                for log in logs:
                    log.write(name, metrics)
        step += 1
    for log in logs:
        log.close()
    results = {name: each.result() for name, each in trainers.items()}
    if folder is not None and workers.first:
        for name, result in results.items():
            result.sae.save(Path(folder) / name)
    return results


def _trainer(
    member: Member,
    name: str,
    folder: str | Path | None,
    device: str,
    model_name: str,
    metadata: Mapping[str, Any],
    workers: Workers,
) -> Trainer:
    about = {"hook_name": member.at, "model_name": model_name, "metadata": dict(metadata)}
    own = Path(folder) / name if folder is not None else None
    trainer = Trainer(member.config, about, device, own and own / STATE, own and own / BEST, workers)
    trainer.resume()
    return trainer


def _inputs(batch: ActivationBatch | None, member: Member, name: str) -> tuple[Any, Any]:
    """Activations and labels for one member."""
    if batch is None:
        return None, None
    if member.at not in batch.activations:
        raise InputError(
            f"{name} is trained at {member.at}, but the batches hold {', '.join(batch.activations)}; mend one"
        )
    labels = batch.labels
    if labels is not None and member.labels is not None:
        if wrong := [each for each in member.labels if not 0 <= each < labels.shape[1]]:
            raise InputError(
                f"{name} takes column {wrong[0]} of {labels.shape[1]} columns of labels; mend it"
            )
        labels = labels[:, list(member.labels)]
    return batch.activations[member.at], labels


def _after(batches: Stream | Iterable[ActivationBatch], done: int) -> Iterator[ActivationBatch]:
    after = getattr(batches, "after", None)
    if after is not None:
        return iter(after(done))
    assert isinstance(batches, Iterable)
    return islice(batches, done, None)
