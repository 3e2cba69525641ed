"""One edit at one hookpoint, as a record. Knows no model and no tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from saesteer.steering.control import Control
from saesteer.steering.fields import bad, inside, one_of, reading, record, shown, text
from saesteer.steering.op_fields import BLANK, complete
from saesteer.steering.operations import OPERATIONS
from saesteer.steering.strength import Strength
from saesteer.steering.when import When
from saesteer.steering.where import Where


@dataclass(frozen=True)
class Intervention:
    """An op at a hookpoint with what it needs; `strength` multiplies it and 0 switches it off."""

    hookpoint: str
    op: str
    """A name of OPERATIONS."""
    head: int | None = None
    """Ops on activations: that attention head alone, counted from 0; tensors are then as wide as a head."""
    tensor: str | None = None
    """Ops on activations: a name of the spec's tensors; low_rank: A [d, r], into the small space."""
    normalize: bool | None = None
    """add: the tensor at length 1, so that the strength is a length (default true)."""
    bias: str | None = None
    """A name of the spec's tensors. project_out, set_projection: where x is counted from; low_rank: b [r]."""
    strength: Strength = field(default_factory=Strength)
    sae: str | None = None
    """Ops of an SAE: a name of the spec's SAEs."""
    latents: tuple[tuple[int, float], ...] | None = None
    """Latent ops: latents and their numbers."""
    only_active: bool = False
    """Latent ops: where a latent is 0 it stays 0."""
    scores: str | None = None
    """reweight_latents: a name of the spec's tensors, a number of 0 or more for each latent of the SAE."""
    mode: str | None = None
    """reweight_latents: weight, legacy_weight, or swap (default): scores choose, and leave the size."""
    keep_error: bool | None = None
    """Ops of an SAE: what it does not reconstruct is kept (default true); splice never keeps it."""
    unit: str = "raw"
    """Latent ops: raw, or latent_max (times each latent's largest activation)."""
    resolved: tuple[tuple[int, float], ...] | None = None
    """The latents with their numbers in raw."""
    measured_on: Mapping[str, Any] | None = field(default=None, hash=False)
    """What latent_max was measured on."""
    where: Where = field(default_factory=Where)
    when: When | None = None
    tensor_out: str | None = None
    """low_rank: a name of the spec's tensors, B [r, d], out of the small space."""
    control: Control | None = None
    """Ops whose strength is an amount or a share: less of it the more there is already."""

    def __post_init__(self) -> None:
        for key, kind in _KINDS.items():
            if not isinstance(getattr(self, key), kind):
                raise bad(key, f"must be a {key.capitalize()}, got {shown(getattr(self, key))}")
        text("hookpoint", self.hookpoint)
        one_of("op", self.op, OPERATIONS)
        given = {key: getattr(self, key) for key in BLANK}
        for key, value in complete(self.op, given, self.strength.unit).items():
            object.__setattr__(self, key, value)

    @property
    def watched(self) -> dict[str, When | Control]:
        """What it watches, by the field that says so: when, control."""
        found = {"when": self.when, "control": self.control}
        return {key: each for key, each in found.items() if each is not None}

    def numbers(self) -> tuple[tuple[int, float], ...] | None:
        """The latents with raw numbers, where those are known."""
        return self.latents if self.unit == "raw" else self.resolved

    def with_strength(self, value: float, unit: str | None = None) -> Intervention:
        """The same at another strength."""
        with inside("strength"):
            strength = self.strength.at(value, unit)
        return replace(self, strength=strength)

    def to_dict(self) -> dict[str, Any]:
        """What is set; strength and where always."""
        found: dict[str, Any] = {"hookpoint": self.hookpoint, "op": self.op}
        for key in ("head", "tensor", "tensor_out", "normalize", "bias", "sae", "scores", "mode"):
            if getattr(self, key) is not None:
                found[key] = getattr(self, key)
        if self.latents is not None:
            found |= {"latents": _lists(self.latents), "unit": self.unit, "only_active": self.only_active}
        if self.resolved is not None:
            found["resolved"] = _lists(self.resolved)
        if self.measured_on is not None:
            found["measured_on"] = dict(self.measured_on)
        if self.keep_error is not None:
            found["keep_error"] = self.keep_error
        found |= {"strength": self.strength.to_dict(), "where": self.where.to_dict()}
        found |= {"when": self.when.to_dict()} if self.when else {}
        return found | ({"control": self.control.to_dict()} if self.control else {})

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Intervention:
        """From the mapping in a spec."""
        found = record(given, KEYS, ("hookpoint", "op"))
        for key, read in _PARTS.items():
            part = found.pop(key, None)
            if part is not None:
                with reading(key, part) as values:
                    found[key] = read(values)
        return cls(**found)


def _lists(found: tuple[tuple[int, float], ...]) -> list[list[float]]:
    return [list(each) for each in found]


KEYS = tuple(each.name for each in fields(Intervention))
_PARTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "strength": Strength.from_dict,
    "where": Where.from_dict,
    "when": When.from_dict,
    "control": Control.from_dict,
}
_KINDS: Final = {"strength": Strength, "where": Where, "when": When | None, "control": Control | None}
