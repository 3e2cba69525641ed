"""A training plan carried out: source, SAEs, logs, files. The one call behind `saesteer train`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.latents import ActivationStore, ActivationStream, ByColumn, ByLabel, Labeller, StoredStream
from saesteer.latents import matching as hookpoints_matching
from saesteer.model import LanguageModel, load_model
from saesteer.runs import Manifest, write_json
from saesteer.text import Document, read_texts
from saesteer.training.group import train_saes
from saesteer.training.logs import LOGS, MetricsLog
from saesteer.training.metrics import TrainMetrics
from saesteer.training.plan import ConditionPlan, TrainPlan
from saesteer.training.trainer import TrainResult
from saesteer.training.workers import Workers, device_of, launched

PLAN: Final = "plan.json"


@dataclass(frozen=True)
class Texts:
    """The documents of a source, as often as they are asked for."""

    source: str
    text: str = "text"
    label: str = "label"
    bytes: int | None = field(init=False)
    """Of a file, by which another one under its name is told."""

    def __post_init__(self) -> None:
        path = Path(self.source)
        object.__setattr__(self, "bytes", path.stat().st_size if path.is_file() else None)

    def __iter__(self) -> Iterator[Document]:
        return read_texts(self.source, text=self.text, label=self.label)


def run_plan(
    plan: TrainPlan,
    documents: Iterable[Document | str] | None = None,
    lm: LanguageModel | None = None,
    logs: Sequence[MetricsLog] = (),
) -> dict[str, TrainResult]:
    """Train every SAE of the plan, or go on where a killed run stood; name -> result.

    `documents`: instead of the plan's texts. `lm`: a model already loaded instead of the plan's. `logs`:
    beside those that the plan names. Under torchrun every process runs this; the first one writes.
    """
    plan = replace(plan, device=device_of(plan.device or "cpu"))
    with launched(str(plan.device)) as workers:
        stream, about = _stored(plan, workers) if plan.store else _streamed(plan, documents, lm, workers)
        members = plan.members(lambda at: _matching(stream, at))
        own = [LOGS.get(name)(Path(plan.out)) for name in plan.logs]
        return train_saes(
            stream,
            members,
            plan.out,
            [_PlanFile(plan), *own, *logs] if workers.first else (),
            device=str(plan.device),
            workers=workers,
            **about,
        )


@dataclass(frozen=True)
class _PlanFile:
    """`plan.json`, which is written once the checkpoints have been found to be this plan's."""

    plan: TrainPlan

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        write_json(Path(self.plan.out) / PLAN, self.plan)

    def write(self, name: str, metrics: TrainMetrics) -> None:
        return

    def close(self) -> None:
        return


def _streamed(
    plan: TrainPlan,
    documents: Iterable[Document | str] | None,
    lm: LanguageModel | None,
    workers: Workers,
) -> tuple[ActivationStream, dict[str, Any]]:
    if documents is None and plan.texts is None:
        raise InputError("there is nothing to train on; give texts or a store")
    if documents is None:
        documents = Texts(str(plan.texts), plan.text_column, plan.label_column)
    name = plan.model or "world"
    lm = lm or load_model(name, dtype=plan.dtype, device=plan.device or "cpu")
    stream = ActivationStream(
        lm,
        documents,
        plan.patterns(),
        plan.batch_tokens,
        plan.buffer_tokens,
        plan.seed,
        context=plan.context,
        labeller=_labeller(plan.condition),
        repeat=True,
        share=(workers.rank, workers.size),
    )
    metadata = {"model_fingerprint": lm.fingerprint(), "corpus": plan.texts or "documents of the caller"}
    return stream, {"model_name": name, "metadata": metadata}


def _stored(plan: TrainPlan, workers: Workers) -> tuple[StoredStream, dict[str, Any]]:
    store = ActivationStore.open(str(plan.store))
    stream = StoredStream(
        store,
        store.hookpoints,
        plan.batch_tokens,
        plan.buffer_tokens,
        plan.seed,
        repeat=True,
        share=(workers.rank, workers.size),
    )
    fingerprint = Manifest.load(store.folder).inputs["model"]
    metadata = {"model_fingerprint": fingerprint, "activations": store.folder.name}
    return stream, {"model_name": plan.model or "", "metadata": metadata}


def _matching(stream: ActivationStream | StoredStream, at: Sequence[str]) -> tuple[str, ...]:
    if isinstance(stream, ActivationStream):
        return hookpoints_matching(stream.lm, at)
    return StoredStream(stream.store, at).hookpoints


def _labeller(plan: ConditionPlan | None) -> Labeller | None:
    if plan is None:
        return None
    if plan.columns or len(plan.concepts) > 1:
        columns = plan.columns or plan.concepts
        if len(columns) != len(plan.concepts):
            raise InputError(
                f"condition: {len(plan.concepts)} concepts but columns {list(columns)}; one each"
            )
        return ByColumn(columns)
    return ByLabel(plan.labels)
