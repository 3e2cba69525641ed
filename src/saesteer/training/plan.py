"""What `saesteer train` is asked for: one mapping (a YAML file or flags), checked before anything is loaded.

model: world
texts: stories.jsonl            # or store: a folder of activations
at: layers.*                    # hookpoints, patterns among them
tokens: 5_000_000
out: runs/first
saes:                           # a list of values means one SAE for each
  - {architecture: topk, d_sae: [2048, 4096], k: 32, seed: [0, 1]}
  - {architecture: standard, d_sae: 2048, l1: 5}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.runs.fields import made, typed
from saesteer.training.condition import Condition
from saesteer.training.config import TrainConfig
from saesteer.training.forms import FORMS
from saesteer.training.group import Member

_SHARED: Final = {each.name for each in fields(TrainConfig)} - {
    "form",
    "condition",
    "k",
    "k_aux",
    "aux_coefficient",
}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,99}")
_OWN: Final = ("architecture", "at", "name")


@dataclass(frozen=True)
class ConditionPlan:
    """Concepts that the first latents of every SAE learn to tell (SCAR), and where their labels stand."""

    concepts: tuple[str, ...]
    weight: float = 1.0
    positive_weight: float = 1.0
    """See training/condition.py."""
    labels: Mapping[str, float] = field(default_factory=dict)
    """One concept: what each label of the texts counts, 0 to 1; others are unknown. Numbers need no entry."""
    columns: tuple[str, ...] = ()
    """Several concepts: the columns of the texts with a number each; default: those named as the concepts."""

    def __post_init__(self) -> None:
        for label, value in self.labels.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InputError(
                    f"condition: labels says {value!r} of {label!r}; a number from 0 to 1 is needed"
                )

    def condition(self) -> Condition:
        """What a config takes of it."""
        return Condition(self.concepts, self.weight, self.positive_weight)


@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """One run: a source of activations and the SAEs that are trained on it."""

    saes: tuple[Mapping[str, Any], ...]
    """Per SAE: architecture, d_sae, the form's and TrainConfig's settings, at and name where they differ."""
    out: str
    """The folder of the run; each SAE has one below it."""
    tokens: int = 10_000_000
    """How many each SAE is trained on."""
    model: str | None = None
    """world, a folder or an id; None: world, or with a store the model that the store was made of."""
    texts: str | None = None
    """A .txt, .jsonl, .csv or .parquet file, or hf:NAME:SPLIT; read again when it ends."""
    store: str | None = None
    """A folder of stored activations, in place of model and texts."""
    at: tuple[str, ...] = ("layers.*",)
    """Hookpoints of SAEs that name none of their own."""
    batch_tokens: int = 2048
    buffer_tokens: int = 65_536
    context: int | None = None
    dtype: str = "float32"
    """Of the model; an SAE is float32 always."""
    device: str | None = None
    seed: int = 0
    """Of the order of the activations."""
    text_column: str = "text"
    label_column: str = "label"
    logs: tuple[str, ...] = ("jsonl",)
    """Of LOGS."""
    condition: ConditionPlan | None = None

    def __post_init__(self) -> None:
        if not self.saes:
            raise InputError("saes is empty; name at least one, as {architecture: topk, d_sae: 4096, k: 32}")
        if self.store is not None and self.texts is not None:
            raise InputError(f"store is {self.store} and texts is {self.texts}; give one of the two")
        if self.batch_tokens < 2 or self.buffer_tokens < 2 * self.batch_tokens:
            raise InputError(
                f"batch_tokens is {self.batch_tokens} and buffer_tokens {self.buffer_tokens}; "
                "a batch has 2 or more, and the buffer holds two batches or more"
            )
        list(self._configs())

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> TrainPlan:
        """From a mapping as YAML gives it; InputError names the field."""
        values = dict(given)
        if isinstance(values.get("condition"), Mapping):
            values["condition"] = made(ConditionPlan, values["condition"], "condition")
        for name in ("saes", "at", "logs"):
            if isinstance(values.get(name), str | Mapping):
                values[name] = [values[name]]
        return made(cls, values, "the plan")

    def patterns(self) -> tuple[str, ...]:
        """Every hookpoint or pattern that is asked for."""
        return tuple(dict.fromkeys(each for at, _, _ in self._configs() for each in at))

    def members(self, expand: Any) -> dict[str, Member]:
        """The SAEs by name; `expand`: patterns -> hookpoints."""
        found: dict[str, Member] = {}
        for at, name, config in self._configs():
            for hookpoint in expand(at):
                full = f"{hookpoint}/{name}"
                if full in found:
                    raise InputError(f"two SAEs are both {full}; give them different names (name: ...)")
                found[full] = Member(hookpoint, config)
        return found

    def _configs(self) -> Iterator[tuple[tuple[str, ...], str, TrainConfig]]:
        """Hookpoints, name and config of each SAE, lists written out."""
        for number, entry in enumerate(self.saes):
            where = f"saes[{number}]"
            if not isinstance(entry, Mapping):
                raise InputError(f"{where} is a mapping such as {{architecture: topk, ...}}, got {entry!r}")
            at = entry.get("at", self.at)
            patterns = typed(f"{where}: at", [at] if isinstance(at, str) else at, tuple[str, ...])
            if empty := [key for key, value in entry.items() if value == []]:
                raise InputError(f"{where}: {empty[0]} is an empty list, which makes no SAE; give a value")
            for one, varied in _written_out({k: v for k, v in entry.items() if k != "at"}):
                yield patterns, _name(one, varied), self._config(one, where)

    def _config(self, one: Mapping[str, Any], where: str) -> TrainConfig:
        if "architecture" not in one:
            raise InputError(f"{where}: architecture is missing; it is one of {', '.join(FORMS.names())}")
        form = FORMS.get(str(one["architecture"]))
        own = {each.name for each in fields(form)}
        for key in one:
            if key not in own | _SHARED | set(_OWN):
                raise UnknownName.of(f"field of {where}", key, own | _SHARED | set(_OWN))
        if "name" in one and not _NAME.fullmatch(str(one["name"])):
            raise InputError(
                f"{where}: name is a folder's, of letters, digits, '.', '_', '=' and '-', got {one['name']!r}"
            )
        settings = {key: value for key, value in one.items() if key in own}
        shared = {key: value for key, value in one.items() if key in _SHARED}
        shared = {"tokens": self.tokens, "report_tokens": max(1, self.tokens // 100)} | shared
        condition = self.condition.condition() if self.condition is not None else None
        form_made = made(form, settings, where)
        return made(TrainConfig, shared | {"form": form_made, "condition": condition}, where)


def _written_out(entry: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """One mapping per combination of listed values, and which keys had a list; prefixes are one value."""
    listed = tuple(
        key
        for key, value in entry.items()
        if isinstance(value, list) and not (key == "prefixes" and not any(isinstance(v, list) for v in value))
    )
    for values in product(*(entry[key] for key in listed)):
        yield dict(entry) | dict(zip(listed, values, strict=True)), listed


def _name(one: Mapping[str, Any], varied: tuple[str, ...]) -> str:
    """architecture-d_sae, with k and whatever else was given as a list."""
    if "name" in one:
        return str(one["name"])
    more = [key for key in one if key in ("k", *varied) and key not in ("architecture", "d_sae")]
    return "-".join(
        [str(one.get("architecture")), str(one.get("d_sae")), *(f"{key}{one[key]}" for key in more)]
    )
