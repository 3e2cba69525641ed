"""A spec meets a model: every field is checked against it, every name becomes a tensor, an SAE or a number.

Knows models, SAEs and specs; no rows and no hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from saesteer.errors import InputError
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.steering.control import Control, Controller
from saesteer.steering.fields import bad, finite
from saesteer.steering.gates import Gate, Value, direction_value, latents_value
from saesteer.steering.heads import check_head
from saesteer.steering.held import at_field, load_saes
from saesteer.steering.intervention import Intervention
from saesteer.steering.operands import meaning, tensors_of, watched_direction
from saesteer.steering.shapes import TENSOR_FIELDS
from saesteer.steering.spec import SteeringSpec
from saesteer.steering.strength import Strength
from saesteer.steering.units import resolve_strength
from saesteer.steering.watched import Watched
from saesteer.steering.when import When
from saesteer.steering.where import Where


@dataclass(frozen=True, eq=False)
class Ready:
    """An intervention with everything that it needs at hand."""

    hookpoint: str
    """Canonical."""
    op: str
    where: Where
    strength: Strength
    path: str
    """Its place in the spec, for messages."""
    head: int | None = None
    d_head: int | None = None
    """How wide that head is."""
    gate: Gate | None = None
    gate_key: tuple[Any, ...] = ()
    """Equal for gates that are open at the same tokens."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """By the field that names them, in float32."""
    sae: SAE | None = None
    latents: tuple[tuple[int, float], ...] = ()
    only_active: bool = False
    keep_error: bool = True
    mode: str = "swap"
    controller: Controller | None = None
    control_key: tuple[Any, ...] = ()
    """Equal for controls that give every token the same share."""
    key: tuple[Any, ...] = ()
    """Equal for interventions that differ in strength alone."""

    @property
    def place(self) -> tuple[Any, ...]:
        """Equal for interventions that act on the same part of the same tokens, with the same share."""
        return (self.hookpoint, self.head, self.where, self.gate_key, self.control_key)

    def amount(self, value: float | None) -> float:
        """The plain number for this strength, or for the spec's own."""
        strength = self.strength if value is None else self.strength.at(value)
        plain = strength.plain
        if plain is None:
            raise bad(
                f"{self.path}.strength.unit",
                f"{strength.unit!r} has no fixed factor, so other values must be calibrated first",
            )
        finite(f"{self.path}.strength.value", plain)
        return plain


def prepare(
    lm: LanguageModel,
    spec: SteeringSpec,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    loaded: dict[str, SAE] | None = None,
) -> list[Ready]:
    """The spec's interventions for this model.

    `force`: also where they were made for another one. `loaded`: SAEs by source, looked up and added to.
    """
    if not force:
        _check_model(lm, spec)
    for number, each in enumerate(spec.interventions):
        with at_field(f"interventions[{number}].hookpoint"):
            lm.shape(each.hookpoint)
        with at_field(f"interventions[{number}].head"):
            check_head(lm, lm.hookpoint(each.hookpoint), each.head)
    held = load_saes(lm, spec, dict(saes or {}), {} if loaded is None else loaded, force)
    spec = resolve_strength(lm, spec, saes=held)
    return [
        _ready(lm, spec, each, held, f"interventions[{number}]")
        for number, each in enumerate(spec.interventions)
    ]


def _check_model(lm: LanguageModel, spec: SteeringSpec) -> None:
    wanted = spec.model.fingerprint
    if wanted is not None and wanted != lm.fingerprint():
        name = f" ({spec.model.id})" if spec.model.id else ""
        raise bad(
            "model.fingerprint",
            f"the spec was made for the model {wanted[:12]}{name} but {lm.name} is {lm.fingerprint()[:12]}; "
            "load that model, or use force to steer this one",
        )


def _ready(
    lm: LanguageModel, spec: SteeringSpec, each: Intervention, held: Mapping[str, SAE], path: str
) -> Ready:
    at = lm.hookpoint(each.hookpoint)
    d_head = check_head(lm, at, each.head)
    seen = {
        key: _watched(lm, spec, watched, held, at, f"{path}.{key}") for key, watched in each.watched.items()
    }
    sae, latents = held[each.sae] if each.sae else None, each.numbers() or ()
    named = tuple(meaning(spec, getattr(each, key), held) for key in TENSOR_FIELDS)
    ready = Ready(
        at,
        each.op,
        each.where,
        each.strength,
        path,
        each.head,
        d_head,
        _gate(each.when, seen.get("when")),
        seen["when"].key if each.when else (),
        tensors_of(lm, spec, each, held, d_head or lm.width(at), path),
        sae,
        latents,
        each.only_active,
        bool(each.keep_error),
        each.mode or "swap",
        _controller(each.control, seen.get("control")),
        seen["control"].key if each.control else (),
    )
    changes = (latents, each.only_active, each.keep_error, each.mode)
    return replace(ready, key=(each.op, *ready.place, named, id(sae), *changes))


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is watched, on this model."""

    hookpoint: str
    value: Value
    key: tuple[Any, ...]


def _watched(
    lm: LanguageModel, spec: SteeringSpec, each: Watched, held: Mapping[str, SAE], at: str, path: str
) -> _Seen:
    with at_field(f"{path}.hookpoint"):
        seen = lm.hookpoint(each.hookpoint)
        if len(lm.shape(seen)) > 1:
            raise InputError(f"{seen} gives heads apart, and a gate reads one number per token; take another")
    _check_order(lm, seen, at, path)
    if each.tensor is not None:
        value = direction_value(watched_direction(lm, spec, each.tensor, seen, held, f"{path}.tensor"))
    else:
        value = latents_value(held[str(each.sae)], each.read(), each.combine)
    key = (seen, each, id(held[each.sae]) if each.sae else None, meaning(spec, each.tensor, held))
    return _Seen(seen, value, key)


def _gate(when: When | None, seen: _Seen | None) -> Gate | None:
    if when is None or seen is None:
        return None
    return Gate(seen.hookpoint, seen.value, when.above, when.below, when.scope)


def _controller(control: Control | None, seen: _Seen | None) -> Controller | None:
    if control is None or seen is None:
        return None
    return Controller(seen.hookpoint, seen.value, control.target, control.floor)


def _check_order(lm: LanguageModel, seen: str, at: str, path: str) -> None:
    """A value must be known before it is asked for; for plain module paths the run itself finds out."""
    order = lm.hookpoints()
    if seen in order and at in order and order.index(seen) > order.index(at):
        raise bad(f"{path}.hookpoint", f"{seen} is computed after {at}; give a hookpoint at or before {at}")
