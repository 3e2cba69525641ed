"""Train several SAEs from one stream of activations: any forms, widths, seeds and hookpoints.

Each has a folder of its own, all but the last written at every checkpoint:

    cfg.json, sae_weights.safetensors   the SAE as it stands; `trained_tokens` says how far it is
    best/                               that of the stretch between two checkpoints with the least loss
    state.safetensors                   what a run resumes from
    metrics.jsonl                       one line per record

After a kill they may stand at different steps; those ahead pass over the batches that they have had. One
process at a time writes to a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from saesteer.errors import InputError
from saesteer.latents import ActivationBatch
from saesteer.runs import alone
from saesteer.training.config import TrainConfig
from saesteer.training.logs import MetricsLog
from saesteer.training.trainer import Trainer, TrainResult
from saesteer.training.workers import ALONE, Workers

STATE: Final = "state.safetensors"
LOCK: Final = ".training.lock"


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
    batch once, whatever the number of members. `logs` hear of every record. A checkpoint is refused where the
    run is another: by its config, model and metadata, the stream's `record()` and the number of processes.
    """
    with ExitStack() as held:
        if folder is not None and workers.first:
            held.enter_context(alone(Path(folder) / LOCK, Path(folder)))
        return _train(batches, members, folder, logs, device, model_name, metadata or {}, workers)


def _train(
    batches: Stream | Iterable[ActivationBatch],
    members: Mapping[str, Member],
    folder: str | Path | None,
    logs: Sequence[MetricsLog],
    device: str,
    model_name: str,
    metadata: Mapping[str, Any],
    workers: Workers,
) -> dict[str, TrainResult]:
    about = {"model_name": model_name, "metadata": dict(metadata)}
    source = _record(batches, workers)
    trainers = {
        name: _trainer(member, name, folder, device, about, source, workers)
        for name, member in members.items()
    }
    if not trainers:
        raise InputError("there is no SAE to train; name at least one")
    with ExitStack() as opened:
        for log in logs:
            opened.callback(log.close)
            for name, trainer in trainers.items():
                log.begin(name, trainer.metrics)
        _feed(batches, members, trainers, logs)
    results = {name: each.result() for name, each in trainers.items()}
    if folder is not None and workers.first:
        for name, result in results.items():
            result.sae.save(Path(folder) / name)
    return results


def _feed(
    batches: Stream | Iterable[ActivationBatch],
    members: Mapping[str, Member],
    trainers: Mapping[str, Trainer],
    logs: Sequence[MetricsLog],
) -> None:
    """Every batch to every trainer that has not had it, until all are done."""
    step = min((each.step for each in trainers.values() if not each.done), default=0)
    stream = _after(batches, step)
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


def _trainer(
    member: Member,
    name: str,
    folder: str | Path | None,
    device: str,
    about: Mapping[str, Any],
    source: Mapping[str, Any],
    workers: Workers,
) -> Trainer:
    own = Path(folder) / name if folder is not None else None
    about = {"hook_name": member.at, **about}
    trainer = Trainer(member.config, about, device, own and own / STATE, own, workers, source)
    trainer.resume()
    return trainer


def _record(batches: Stream | Iterable[ActivationBatch], workers: Workers) -> dict[str, Any]:
    """What makes the batches these and no others, as far as the stream says it."""
    record = getattr(batches, "record", None)
    found = {} if record is None else {f"stream's {name}": each for name, each in record().items()}
    return found | ({"number of processes": workers.size} if workers.size > 1 else {})


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
