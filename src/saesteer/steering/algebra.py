"""Algebra of specs: `2 * joy - anger`, and adds merged into one vector. Knows interventions; no model.

A spec stands for the vectors that it adds, so a number multiplies those and nothing else: half of "set the
projection to 3" has no one meaning. A sum does both, one after the other, whatever their ops.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from torch import Tensor

from saesteer.errors import BadSpec
from saesteer.saes import SAE
from saesteer.steering.directions import Vectors
from saesteer.steering.fields import bad, finite, inside
from saesteer.steering.intervention import Intervention
from saesteer.steering.references import ModelRef, SAERef, TensorRef
from saesteer.steering.shapes import TENSOR_FIELDS
from saesteer.steering.strength import CALIBRATED, Strength

VECTORS: Final = ("add", "add_latents")
"""Ops whose edit is a vector times the strength."""


@dataclass(frozen=True)
class VectorAlgebra:
    """What a spec can do with numbers and other specs."""

    if TYPE_CHECKING:
        interventions: tuple[Intervention, ...]
        tensors: Mapping[str, TensorRef]
        saes: Mapping[str, SAERef]
        model: ModelRef
        provenance: Mapping[str, Any]

    def __mul__(self, factor: float) -> Self:
        """Every strength times the factor; BadSpec for an op that adds no vector."""
        if not _is_number(factor):
            return NotImplemented
        number, found = finite("factor", factor), []
        for place, each in enumerate(self.interventions):
            with inside(f"interventions[{place}]"):
                found.append(_scaled(each, number))
        note = {"times": number, "of": self.provenance} if self.provenance else {}
        return replace(self, interventions=tuple(found), provenance=note)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Self:
        if not _is_number(divisor):
            return NotImplemented
        if divisor == 0:
            raise bad("divisor", "must not be 0")
        return self * (1 / divisor)

    def __neg__(self) -> Self:
        return self * -1.0

    def __add__(self, other: Self) -> Self:
        """First this, then the other; each keeps its own units, positions and gates."""
        return self._joined(other) if isinstance(other, type(self)) else NotImplemented

    def __radd__(self, other: Any) -> Self:
        """For sum(), which begins with 0."""
        return self if _is_number(other) and other == 0 else NotImplemented

    def __sub__(self, other: Self) -> Self:
        return self._joined(-other) if isinstance(other, type(self)) else NotImplemented

    def everywhere(self) -> Self:
        """The same at BOS and special tokens too, as other tools steer."""
        found = (replace(each, where=replace(each.where, skip=())) for each in self.interventions)
        return replace(self, interventions=tuple(found))

    def merged(self, saes: Mapping[str, SAE] | None = None) -> Self:
        """Adds of the same hookpoint, positions, gate and control as one vector, where strengths are known.

        It does the same as before, to rounding in float32. An add is never moved past another op. `saes`: by
        their names in the spec, where they are not to be loaded from their source.
        """
        vectors = Vectors(self, saes or {})
        groups: list[list[Intervention]] = []
        since = 0  # the first group behind the last op that is no add
        for each in self.interventions:
            mergeable = each.op == "add" and each.strength.plain is not None
            group = next((g for g in groups[since:] if mergeable and _alike(g[0], each)), None)
            if group is not None:
                group.append(each)
                continue
            groups.append([each])
            since = since if each.op == "add" else len(groups)
        if len(groups) == len(self.interventions):
            return self
        tensors = dict(self.tensors)
        found = [group[0] if len(group) == 1 else _one(group, vectors, tensors) for group in groups]
        used = {getattr(each, key) for each in found for key in TENSOR_FIELDS}
        used |= {watched.tensor for each in found for watched in each.watched.values()}
        return replace(
            self,
            interventions=tuple(found),
            tensors={name: each for name, each in tensors.items() if name in used},
        )

    def apart(self, saes: Mapping[str, SAERef]) -> Self:
        """The same with other names for those of its SAEs that are called as another one of `saes`."""
        names: dict[str, str] = {}
        for name, each in self.saes.items():
            own = name not in saes or _same_sae(saes[name], each)
            names[name] = name if own else _free(name, {*saes, *self.saes, *names.values()})
        tensors = {
            key: replace(each, sae=names[each.sae]) if each.sae else each
            for key, each in self.tensors.items()
        }
        same = {key: key for key in tensors}
        return replace(
            self,
            interventions=tuple(_renamed(each, same, names) for each in self.interventions),
            tensors=tensors,
            saes={names[name]: each for name, each in self.saes.items()},
        )

    def _joined(self, other: Self) -> Self:
        with inside("sum"):
            model = _one_model(self.model, other.model)
        saes, sae_names = _united(self.saes, other.saes)
        theirs = {
            key: replace(each, sae=sae_names[each.sae]) if each.sae else each
            for key, each in other.tensors.items()
        }
        tensors, names = _united(self.tensors, theirs)
        renamed = tuple(_renamed(each, names, sae_names) for each in other.interventions)
        terms = [self.provenance, other.provenance]
        return replace(
            self,
            interventions=self.interventions + renamed,
            tensors=tensors,
            saes=saes,
            model=model,
            provenance={"sum": terms} if any(terms) else {},
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scaled(each: Intervention, factor: float) -> Intervention:
    if each.op not in VECTORS:
        raise bad(
            "op", f"{each.op!r} adds no vector that a number could multiply; only {' and '.join(VECTORS)} do"
        )
    strength = each.strength
    if strength.unit not in CALIBRATED:
        return replace(each, strength=strength.at(factor * strength.value))
    if strength.plain is None:
        raise bad("strength.unit", f"{strength.unit!r} is not resolved; calibrate the spec, then multiply it")
    return replace(each, strength=Strength(factor * strength.plain))  # twice a KL is not twice the vector


def _alike(one: Intervention, other: Intervention) -> bool:
    """Whether both add at the same activations."""
    if one.op != "add" or one.strength.plain is None:
        return False
    places = ((each.hookpoint, each.head, each.where, each.watched) for each in (one, other))
    return next(places) == next(places)


def _one(group: Sequence[Intervention], vectors: Vectors, tensors: dict[str, TensorRef]) -> Intervention:
    """One add in place of several; its tensor joins `tensors`. Off where they cancel each other."""
    first = group[0]
    total: Tensor = sum(
        (float(each.strength.plain or 0) * vectors.direction(each).double() for each in group),
        torch.zeros((), dtype=torch.float64),
    )
    vector = total.float()
    if not bool(vector.any()):
        return first.with_strength(0.0)
    name = _free("merged", tensors)
    tensors[name] = TensorRef.of(vector)
    return replace(first, tensor=name, normalize=False, strength=Strength())


def _one_model(one: ModelRef, other: ModelRef) -> ModelRef:
    """The model of both; what one does not say the other may."""
    if one.fingerprint and other.fingerprint and one.fingerprint != other.fingerprint:
        raise BadSpec(
            f"model.fingerprint: the specs were made for two models, {one.fingerprint[:12]} and "
            f"{other.fingerprint[:12]}; make both for one"
        )
    return one if one.fingerprint or not other.fingerprint else other


def _united(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Both mappings as one, and what each key of the other is called in it."""
    found, names = dict(one), {}
    for key, value in other.items():
        names[key] = key if found.get(key, value) == value else _free(key, found)
        found.setdefault(names[key], value)
    return found, names


def _same_sae(one: SAERef, other: SAERef) -> bool:
    """Equal by what they are, wherever they lie; without a hash by where they lie."""
    return one == other or (one.sha256 is not None and one.sha256 == other.sha256)


def _free(name: str, taken: Collection[str]) -> str:
    """`name`, with a number behind it where it is taken."""
    number, found = 1, name
    while found in taken:
        number, found = number + 1, f"{name}_{number + 1}"
    return found


def _renamed(each: Intervention, tensors: Mapping[str, str], saes: Mapping[str, str]) -> Intervention:
    named = {key: getattr(each, key) for key in TENSOR_FIELDS}
    changes: dict[str, Any] = {key: tensors[name] for key, name in named.items() if name is not None}
    if each.sae is not None:
        changes["sae"] = saes[each.sae]
    for key, watched in each.watched.items():
        sae = None if watched.sae is None else saes[watched.sae]
        tensor = None if watched.tensor is None else tensors[watched.tensor]
        changes[key] = replace(watched, sae=sae, tensor=tensor)
    return replace(each, **changes)
