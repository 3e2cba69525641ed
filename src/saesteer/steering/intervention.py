"""One edit at one hookpoint, as a record. Knows which fields an op takes; no model, no tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from saesteer.errors import BadSpec
from saesteer.steering.fields import (
    bad,
    flag,
    inside,
    mapping,
    one_of,
    optional_text,
    pairs,
    reading,
    record,
    shown,
    text,
)
from saesteer.steering.operations import OPERATIONS
from saesteer.steering.strength import Strength
from saesteer.steering.where import When, Where

_ONLY = {  # which fields only ops of these needs take
    "tensor": ("direction",),
    "normalize": ("direction",),
    "sae": ("latents", "sae"),
    "latents": ("latents",),
    "keep_error": ("latents", "sae"),
}


@dataclass(frozen=True)
class Intervention:
    """An op at a hookpoint with what it needs; `strength` multiplies it and 0 switches it off."""

    hookpoint: str
    op: str
    """A name of OPERATIONS."""
    head: int | None = None
    """Reserved: one attention head."""
    tensor: str | None = None
    """Direction ops: a name of the spec's tensors."""
    normalize: bool | None = None
    """add: the tensor at length 1, so that the strength is a length (default true)."""
    bias: None = None
    """Reserved."""
    strength: Strength = field(default_factory=Strength)
    sae: str | None = None
    """Latent ops and splice: a name of the spec's SAEs."""
    latents: tuple[tuple[int, float], ...] | None = None
    """Latent ops: latents and their numbers."""
    only_active: bool = False
    """Latent ops: where a latent is 0 it stays 0."""
    scores: None = None
    """Reserved."""
    mode: None = None
    """Reserved."""
    keep_error: bool | None = None
    """Latent ops: what the SAE does not reconstruct is kept (default true); splice never keeps it."""
    unit: str = "raw"
    """Latent ops: raw, or latent_max (times each latent's largest activation)."""
    resolved: tuple[tuple[int, float], ...] | None = None
    """The latents with their numbers in raw."""
    measured_on: Mapping[str, Any] | None = field(default=None, hash=False)
    """What latent_max was measured on."""
    where: Where = field(default_factory=Where)
    when: When | None = None

    def __post_init__(self) -> None:
        self._check_parts()
        text("hookpoint", self.hookpoint)
        one_of("op", self.op, OPERATIONS)
        for key in ("head", "bias", "scores", "mode"):
            if getattr(self, key) is not None:
                raise bad(key, f"must be null, for nothing uses it yet, got {shown(getattr(self, key))}")
        flag("only_active", self.only_active)
        for key, needs in _ONLY.items():
            if getattr(self, key) is not None and OPERATIONS[self.op].needs not in needs:
                raise bad(
                    key, f"must be left out, for op {self.op!r} takes none, got {shown(getattr(self, key))}"
                )
        {"direction": self._check_direction, "latents": self._check_latents, "sae": self._check_splice}[
            OPERATIONS[self.op].needs
        ]()
        if self.measured_on is not None:
            object.__setattr__(self, "measured_on", mapping("measured_on", self.measured_on))

    def _check_parts(self) -> None:
        for key, kind in (("strength", Strength), ("where", Where), ("when", When | None)):
            if not isinstance(getattr(self, key), kind):
                raise bad(key, f"must be a {key.capitalize()}, got {shown(getattr(self, key))}")

    def _check_direction(self) -> None:
        if optional_text("tensor", self.tensor) is None:
            raise bad("tensor", f"is missing, and op {self.op!r} needs one")
        default = True if self.normalize is None else flag("normalize", self.normalize)
        if self.op != "add" and not default:
            raise bad(
                "normalize", f"must be true for op {self.op!r}, which knows only the direction, got false"
            )
        object.__setattr__(self, "normalize", default)
        self._refuse_latent_fields()

    def _check_latents(self) -> None:
        if optional_text("sae", self.sae) is None or self.latents is None:
            raise bad("sae" if self.sae is None else "latents", f"is missing, and op {self.op!r} needs it")
        object.__setattr__(self, "latents", pairs("latents", self.latents))
        kept = True if self.keep_error is None else flag("keep_error", self.keep_error)
        object.__setattr__(self, "keep_error", kept)
        one_of("unit", self.unit, ("raw", "latent_max"))
        if self.op == "scale_latents" and self.unit != "raw":
            raise bad("unit", "must be raw for op 'scale_latents', whose numbers are factors")
        if self.resolved is not None:
            found = pairs("resolved", self.resolved)
            if [each for each, _ in found] != [each for each, _ in self.latents or ()]:
                raise bad("resolved", "must name the same latents in the same order")
            object.__setattr__(self, "resolved", found)
        self._check_raw_strength()

    def _check_splice(self) -> None:
        if optional_text("sae", self.sae) is None:
            raise bad("sae", "is missing, and op 'splice' needs it")
        if self.keep_error:
            raise bad("keep_error", "must be false for op 'splice': with the error kept it changes nothing")
        object.__setattr__(self, "keep_error", False)
        self._refuse_latent_fields()
        self._check_raw_strength()

    def _refuse_latent_fields(self) -> None:
        for key, default in (("only_active", False), ("unit", "raw"), ("resolved", None)):
            if getattr(self, key) != default:
                raise bad(key, f"must be left out, for op {self.op!r} sets no latents")

    def _check_raw_strength(self) -> None:
        if self.strength.unit != "raw":
            raise BadSpec(
                f"strength.unit: must be raw for op {self.op!r}, got {self.strength.unit!r}; "
                "the numbers beside the latents have a unit of their own"
            )

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
        for key in ("tensor", "normalize", "sae"):
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
        return found | ({"when": self.when.to_dict()} if self.when else {})

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
}
