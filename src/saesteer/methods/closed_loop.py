"""Closed loop: a direction that is added only as far as the concept is not there yet.

A probe of the concept reads what comes to the hookpoint, token by token, before anything is added. `until`:
the direction is added to every token until the probe finds the concept, and then the model is left alone,
which carries on what its own text says. `control`: at each token the less is added the more the probe reads.
Knows a probe and a spec; trains no direction of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from saesteer.errors import InputError, UnknownName
from saesteer.methods.activations import text_activations
from saesteer.methods.direction import made_direction
from saesteer.methods.probe import probe
from saesteer.model import LanguageModel
from saesteer.steering import Control, Intervention, SteeringSpec, TensorRef, When
from saesteer.text import load_concept
from saesteer.text.concept import Concept

LOOPS: Final = ("until", "control")
RARE: Final = 0.05
"""The share of texts without the concept in which the probe finds it by mistake."""
NAME: Final = "probe"


def closed_loop(
    lm: LanguageModel,
    concept: Concept | str,
    at: str,
    *,
    direction: SteeringSpec | str = "diffmean",
    loop: str = "until",
    rare: float = RARE,
    strength: float | None = None,
) -> SteeringSpec:
    """The direction's spec with a gate (`until`) or a control (`control`) on each of its interventions.

    `direction`: a spec, or a method that needs nothing but the concept ("diffmean", "trained", ...). The
    probe's value is x . w / |w| at `at`; found means above, and the control's target is, the value that the
    share `rare` of the texts without the concept reach at some token. `strength`: as everywhere in the
    direction's unit. UnknownName for another loop; InputError where a control would have a target of 0 or
    less, which is no share of anything.
    """
    if loop not in LOOPS:
        raise UnknownName.of("loop", loop, LOOPS)
    if not (isinstance(rare, float) and 0 < rare < 1):
        raise InputError(f"rare is a share of the texts without the concept, between 0 and 1, got {rare!r}")
    concept, at = load_concept(concept), lm.hookpoint(at)
    spec = made_direction(lm, concept, at, direction)
    if NAME in spec.tensors:
        raise InputError(f"the direction has a tensor {NAME!r} already; rename it")
    _check_order(lm, at, spec)
    read = _reader(lm, concept, at)
    found = _reached(lm, concept, at, read, rare)
    changed = tuple(_closed(each, at, loop, found) for each in spec.interventions)
    noted = {**spec.provenance, "method": "closed_loop", "direction": spec.provenance.get("method")}
    noted |= {"loop": loop, "rare": rare, "found": found}
    tensors = {**spec.tensors, NAME: read}
    looped = replace(spec, interventions=changed, tensors=tensors, provenance=noted)
    return looped if strength is None else looped.with_strength(strength)


def _check_order(lm: LanguageModel, at: str, spec: SteeringSpec) -> None:
    """The probe must be read before anything is added."""
    order = lm.hookpoints()
    for each in spec.interventions:
        place = lm.hookpoint(each.hookpoint)
        if at in order and place in order and order.index(at) > order.index(place):
            raise InputError(
                f"the probe reads {at}, which is computed after {place}, where the direction is added; "
                f"give at={place!r} or an earlier hookpoint"
            )


def _reader(lm: LanguageModel, concept: Concept, at: str) -> TensorRef:
    (tensor,) = probe(lm, concept, at).tensors.values()
    return tensor


def _reached(lm: LanguageModel, concept: Concept, at: str, read: TensorRef, rare: float) -> float:
    """The value that the largest ones of texts without the concept stay below, but for the share `rare`."""
    assert read.value is not None  # a probe holds its weights
    seen = text_activations(lm, concept.negative, at)
    values, text = (seen.x @ (read.value / read.value.norm())).numpy(), seen.text.numpy()
    largest = [values[text == number].max() for number in range(seen.texts)]
    return float(np.quantile(largest, 1 - rare))


def _closed(each: Intervention, at: str, loop: str, found: float) -> Intervention:
    if each.when is not None or each.control is not None:
        raise InputError(f"the direction's {each.op} at {each.hookpoint} has a gate or a control already")
    if loop == "until":
        return replace(each, when=When(tensor=NAME, hookpoint=at, above=found, scope="until"))
    if found <= 0:
        raise InputError(
            f"the probe reads at most {found:.3g} on texts without the concept, and a control needs a target "
            "above 0; take loop 'until'"
        )
    return replace(each, control=Control(tensor=NAME, hookpoint=at, target=found))
