"""Detector: which latents of which SAE make a score, and above which score a text counts as found; as a file.

Knows records and names; runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from saesteer.concepts.separation import Separation
from saesteer.errors import InputError, UnknownName
from saesteer.runs import plain, read_json, read_yaml, write_json, write_text
from saesteer.statistics import Interval

Reading = Literal["h", "z"]
Combining = Literal["max", "sum"]
Pooling = Literal["max", "mean", "last"]
_CHOICES: Final = {"score": Reading, "combine": Combining, "pool": Pooling}
_VERSION: Final = 1
_PLAIN: Final = ("positives", "negatives", "graded")


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A score per token, one per text out of them, and a threshold."""

    latents: tuple[int, ...]
    hookpoint: str
    """Canonical, of the model."""
    score: Reading = "h"
    """h: the latents; z: their pre-activations, which are there also where a latent is silent."""
    combine: Combining = "max"
    """Of several latents, per token."""
    pool: Pooling = "max"
    """Of a text's tokens, BOS and special ones aside; last: the last of them."""
    threshold: float | None = None
    """A text is found where its score is above; None: scores alone."""
    goal: str = ""
    """What the threshold was chosen for: f1, fpr=0.05, quantile=0.95, or given."""
    concept: str = ""
    reason: str = ""
    """Why these latents."""
    sae: str = ""
    """The name that `load_sae` takes."""
    sae_fingerprint: str = ""
    model: str = ""
    model_fingerprint: str = ""
    figures: Separation | None = None
    """On documents that chose neither the latents nor the threshold."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "latents", tuple(self.latents))
        object.__setattr__(self, "provenance", plain(self.provenance))
        if not self.latents or len(set(self.latents)) < len(self.latents):
            raise InputError(f"a detector has one or more different latents, got {list(self.latents)}")
        for each in self.latents:
            if isinstance(each, bool) or not isinstance(each, int) or each < 0:
                raise InputError(f"a latent is a number from 0, got {each!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise InputError(f"{name} is {' or '.join(get_args(choices))}, got {getattr(self, name)!r}")
        if self.threshold is not None and not _is_finite(self.threshold):
            raise InputError(f"a threshold is a finite number, got {self.threshold!r}")

    def found(self, score: float) -> bool | None:
        """Whether a text of this score counts as found."""
        return None if self.threshold is None else score > self.threshold

    def save(self, path: str | Path) -> Path:
        """Write a .yaml or .json file, whole or not at all."""
        path = Path(path)
        record = {"version": _VERSION, **asdict(self), "latents": list(self.latents)}
        if _ending(path) == ".json":
            write_json(path, record)
        else:
            text = yaml.safe_dump(plain(record), sort_keys=False, allow_unicode=True, width=110)
            write_text(path, text)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Detector:
        """The detector that `save` wrote; InputError names the file and the field."""
        path = Path(path)
        record = read_json(path) if _ending(path) == ".json" else read_yaml(path)
        try:
            return cls(**_values(record))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


_KINDS: Final = {each.name: each.type for each in fields(Detector)}


def _values(record: Any) -> dict[str, Any]:
    """Checked by type, so that a file from a stranger is refused here and not later."""
    if not isinstance(record, Mapping):
        raise InputError(f"a detector has fields, got {type(record).__name__}; see saesteer detect")
    values = dict(record)
    if values.pop("version", None) != _VERSION:
        raise InputError(f"version is {_VERSION}, got {record.get('version')!r}; make the detector anew")
    for key, value in values.items():
        if key not in _KINDS:
            raise UnknownName.of("field of a detector", key, _KINDS)
        if _KINDS[key] in ("str", "Reading", "Combining", "Pooling") and not isinstance(value, str):
            raise InputError(f"{key} is text, got {value!r}; mend it")
    for key in ("latents", "hookpoint"):
        if key not in values:
            raise InputError(f"{key} is missing; make the detector anew")
    if not isinstance(values["latents"], list):
        raise InputError(f"latents are a list of numbers, got {values['latents']!r}; mend it")
    if not isinstance(values.get("provenance", {}), Mapping):
        raise InputError(f"provenance has fields, got {values['provenance']!r}; mend it")
    if values.get("figures") is not None:
        values["figures"] = _separation(values["figures"])
    return values


def _separation(record: Any) -> Separation:
    known = {each.name for each in fields(Separation)}
    if not isinstance(record, Mapping) or not {"positives", "negatives", "auroc"} <= set(record) <= known:
        raise InputError(f"figures are {', '.join(sorted(known))}, got {record!r:.80}; mend them")
    values: dict[str, Any] = {}
    for name, value in record.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name in _PLAIN and not whole:
            raise InputError(f"figures.{name} is a number, got {value!r}; mend it")
        values[name] = value if name in _PLAIN or value is None else _interval(name, value)
    return Separation(**values)


def _interval(name: str, record: Any) -> Interval:
    names = {each.name for each in fields(Interval)}
    if not isinstance(record, Mapping) or set(record) != names or not all(map(_is_finite, record.values())):
        raise InputError(f"figures.{name} is {', '.join(sorted(names))}, got {record!r:.80}; mend it")
    return Interval(**record)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _ending(path: Path) -> str:
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise InputError(f"a detector is a .yaml or .json file, got {path.name!r}; name it so")
    return path.suffix.lower()
