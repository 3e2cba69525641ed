"""What every direction becomes: a spec with one add at one hookpoint, in mean residual norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.methods.table import METHODS, TABLE
from saesteer.model import LanguageModel
from saesteer.runs import digest
from saesteer.steering import (
    Intervention,
    ModelRef,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    resolve_strength,
)
from saesteer.text.concept import Concept

STRENGTH: Final = 0.3
"""Mean residual norms: where texts begin to turn and still hold together, before anybody measured."""


def direction_spec(
    lm: LanguageModel,
    at: str,
    tensor: TensorRef,
    provenance: Mapping[str, Any],
    *,
    strength: float | None = None,
    normalize: bool = True,
    saes: Mapping[str, SAERef] | None = None,
    texts: Sequence[str] | None = None,
) -> SteeringSpec:
    """Add `tensor` at `at`; the unit is measured on `texts` (None: plain English).

    Without `normalize` the tensor keeps its length and the strength is raw.
    """
    unit, usual = ("residual_norm", STRENGTH) if normalize else ("raw", 1.0)
    each = Intervention(
        lm.hookpoint(at),
        "add",
        tensor="v",
        normalize=normalize,
        strength=Strength(usual if strength is None else strength, unit),
    )
    spec = SteeringSpec(
        (each,),
        tensors={"v": tensor},
        saes=saes or {},
        model=model_ref(lm),
        provenance=provenance,
    )
    return resolve_strength(lm, spec, texts)


def model_ref(lm: LanguageModel) -> ModelRef:
    """The model that a spec is made for."""
    return ModelRef(id=lm.name, fingerprint=lm.fingerprint())


def texts_of(concept: Concept) -> tuple[str, ...]:
    """The texts on which a concept's unit is measured: both sides."""
    return (*concept.positive, *concept.negative)


def provenance_of(method: str, concept: Concept | None, at: str) -> dict[str, Any]:
    """What every method notes."""
    found: dict[str, Any] = {"method": method, "hookpoint": at}
    if concept is not None:
        found |= {
            "concept": concept.name,
            "concept_sha256": digest(concept),
            "texts": [len(concept.positive), len(concept.negative)],
        }
    return found


def made_direction(
    lm: LanguageModel, concept: Concept, at: str, direction: SteeringSpec | str
) -> SteeringSpec:
    """A spec as it is, or that of a method by its name; InputError where it needs more than the concept."""
    if not isinstance(direction, str):
        return direction
    method = METHODS.get(direction)
    needs = TABLE[direction].needs if direction in TABLE else ()
    if direction in ("prompting", "random_direction") or needs:
        more = f" needs {' and '.join(needs)}" if needs else " makes no direction from a concept"
        raise InputError(f"direction is a method of the concept alone, and {direction!r}{more}; give a spec")
    spec: SteeringSpec = method(lm, concept, at)
    return spec
