"""What published tasks need from the network, and what of it is in the hub's local cache.

Knows names of files; loads nothing and asks no hub.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saesteer.effects.sources import PUBLISHED, REPO
from saesteer.effects.tasks import Task
from saesteer.errors import NotAnSAE, UnknownName
from saesteer.runs import read_json
from saesteer.saes import recognise
from saesteer.saes.hub import dataset_file


@dataclass(frozen=True)
class Need:
    """One thing that is on the hub."""

    noun: Literal["model", "SAE", "approximator"]
    name: str
    """As load_model, load_sae and load_approximator take it."""
    cached: bool
    """Whether its files are on this machine."""


def needs_of(tasks: Iterable[Task]) -> tuple[Need, ...]:
    """The models and SAEs that tasks name, and the approximators published for those models; each once."""
    tasks = list(tasks)
    targets = [each for task in tasks for each in (task.features, task.optimised) if each is not None]
    models = sorted({task.model for task in tasks if task.model})
    fitted = {task.model for task in tasks if task.optimised is not None}
    return (
        *(Need("model", each, _model_is_here(each)) for each in models),
        *(Need("SAE", each, _sae_is_here(each)) for each in sorted({target.sae for target in targets})),
        *(
            Need("approximator", name, dataset_file(REPO, each.files["approximator"]) is not None)
            for name, each in PUBLISHED.items()
            if each.model in fitted
        ),
    )


def _model_is_here(name: str) -> bool:
    """Its config and all its weights."""
    from huggingface_hub import try_to_load_from_cache

    def place(file: str) -> str | None:
        found = try_to_load_from_cache(name, file)
        return found if isinstance(found, str) else None

    index, files = place("model.safetensors.index.json"), {"model.safetensors"}
    record = None if index is None else read_json(Path(index))
    if isinstance(record, dict) and isinstance(record.get("weight_map"), dict):
        files = set(record["weight_map"].values())
    return all(place(each) is not None for each in ("config.json", *files))


def _sae_is_here(name: str) -> bool:
    try:
        recognise(name, download=False)
    except (NotAnSAE, UnknownName):
        return False
    return True
