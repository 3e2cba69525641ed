"""Which fields each op takes, with their defaults and what must hold among them. Knows records; no tensor.

A field that an op does not take must be left out, so that a spec never says more than is done. A new op is a
line in FIELDS; what must hold among its fields, where anything must, is a line in _RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from saesteer.steering.fields import bad, flag, mapping, one_of, pairs, shown, text, whole
from saesteer.steering.strength import CALIBRATED, UNITS

MODES: Final = ("weight", "swap", "legacy_weight")
LATENT_UNITS: Final = ("raw", "latent_max")


@dataclass(frozen=True)
class OpFields:
    """What an op needs and what else it takes."""

    needs: tuple[str, ...]
    takes: Mapping[str, Any] = field(default_factory=dict)
    """Field -> its value where the spec leaves it out."""
    units: tuple[str, ...] = UNITS
    """Of the strength."""


_PROJECTION: Final = {"normalize": True, "bias": None, "head": None}
_LATENTS: Final = {
    "unit": "raw",
    "resolved": None,
    "measured_on": None,
    "only_active": False,
    "keep_error": True,
}
_PART: Final = {"control": None}
"""Of ops of whose strength a part is a part of the edit: a target or a factor has none."""

FIELDS: Final[Mapping[str, OpFields]] = {
    "add": OpFields(("tensor",), {"normalize": True, "head": None} | _PART),
    "project_out": OpFields(("tensor",), _PROJECTION | _PART),
    "set_projection": OpFields(("tensor",), _PROJECTION),
    "rotate": OpFields(("tensor",), {"normalize": True, "head": None} | _PART, ("raw", *CALIBRATED)),
    "low_rank": OpFields(
        ("tensor", "tensor_out"), {"bias": None, "head": None} | _PART, ("raw", *CALIBRATED)
    ),
    "set_latents": OpFields(("sae", "latents"), _LATENTS, ("raw",)),
    "add_latents": OpFields(("sae", "latents"), _LATENTS | _PART, ("raw",)),
    "scale_latents": OpFields(("sae", "latents"), _LATENTS, ("raw",)),
    "reweight_latents": OpFields(("sae", "scores"), {"mode": "swap", "keep_error": True} | _PART, ("raw",)),
    "splice": OpFields(("sae",), {"keep_error": False} | _PART, ("raw",)),
}
"""Op -> its fields, beside hookpoint, strength, where and when, which every op has."""

BLANK: Final[Mapping[str, Any]] = {
    "head": None,
    "tensor": None,
    "tensor_out": None,
    "normalize": None,
    "bias": None,
    "sae": None,
    "latents": None,
    "only_active": False,
    "scores": None,
    "mode": None,
    "keep_error": None,
    "unit": "raw",
    "resolved": None,
    "measured_on": None,
    "control": None,
}
"""Field of some ops -> its value in an intervention that does not take it."""


def complete(op: str, given: Mapping[str, Any], strength_unit: str) -> dict[str, Any]:
    """The fields of BLANK for this op, checked, with its defaults where `given` is silent."""
    known = FIELDS[op]
    if strength_unit not in known.units:
        raise bad("strength.unit", f"must be {' or '.join(known.units)} for op {op!r}, got {strength_unit!r}")
    found = {}
    for key, blank in BLANK.items():
        value = given[key]
        if key in known.needs:
            if value is None:
                raise bad(key, f"is missing, and op {op!r} needs it")
        elif key in known.takes:
            value = known.takes[key] if value is None else value
        elif value is not None and value != blank:
            if key == "control":
                raise bad(
                    key, f"must be left out: the strength of op {op!r} has no part, for it sets a number"
                )
            raise bad(key, f"must be left out, for op {op!r} takes none, got {shown(value)}")
        else:
            value = blank
        found[key] = value if value is None else _CHECKS[key](key, value)
    if op in _RULES:
        _RULES[op](op, found)
    return found


def _direction_alone(op: str, found: Mapping[str, Any]) -> None:
    if not found["normalize"]:
        raise bad("normalize", f"must be true for op {op!r}, which knows only the direction, got false")


def _same_latents(op: str, found: Mapping[str, Any]) -> None:
    resolved = found["resolved"]
    if resolved is not None and [each for each, _ in resolved] != [each for each, _ in found["latents"]]:
        raise bad("resolved", "must name the same latents in the same order")


def _factors(op: str, found: Mapping[str, Any]) -> None:
    if found["unit"] != "raw":
        raise bad("unit", f"must be raw for op {op!r}, whose numbers are factors")
    _same_latents(op, found)


def _error_lost(op: str, found: Mapping[str, Any]) -> None:
    if found["keep_error"]:
        raise bad("keep_error", f"must be false for op {op!r}: with the error kept it changes nothing")


def _legacy(op: str, found: Mapping[str, Any]) -> None:
    if found["mode"] == "legacy_weight" and found["keep_error"]:
        raise bad("keep_error", "must be false for mode 'legacy_weight', which has nothing of the token left")


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "head": whole,
    "tensor": text,
    "tensor_out": text,
    "bias": text,
    "normalize": flag,
    "sae": text,
    "latents": pairs,
    "only_active": flag,
    "scores": text,
    "mode": lambda key, value: one_of(key, value, MODES),
    "keep_error": flag,
    "unit": lambda key, value: one_of(key, value, LATENT_UNITS),
    "resolved": pairs,
    "measured_on": mapping,
    "control": lambda _, value: value,  # a record that has checked itself
}
_RULES: Final[Mapping[str, Callable[[str, Mapping[str, Any]], None]]] = {
    "project_out": _direction_alone,
    "rotate": _direction_alone,
    "set_projection": _direction_alone,
    "set_latents": _same_latents,
    "add_latents": _same_latents,
    "scale_latents": _factors,
    "reweight_latents": _legacy,
    "splice": _error_lost,
}
