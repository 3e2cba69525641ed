"""Opening: a direction added at the first places of the prompt alone, many times as strong as elsewhere.

What is written comes after it and is never edited: the model reads the concept in its own context, as it
reads a prompt that names it, and carries it on by itself. The place is that of ActAdd (arXiv 2308.10248),
whose vectors differ from place to place; the direction is any spec's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from saesteer.errors import InputError
from saesteer.methods.direction import made_direction
from saesteer.model import LanguageModel
from saesteer.steering import SteeringSpec
from saesteer.text import load_concept
from saesteer.text.concept import Concept

STRENGTH: Final = 2.0
"""Mean residual norms: the model's own norms stand between the edit and what is written."""
END: Final = 6
"""Half-open: with a BOS, the first five tokens of the text."""


def opening(
    lm: LanguageModel,
    concept: Concept | str,
    at: str,
    *,
    direction: SteeringSpec | str = "diffmean",
    end: int = END,
    skip: tuple[str, ...] = ("bos", "special"),
    strength: float | None = None,
) -> SteeringSpec:
    """A direction's spec, moved to places 0 to `end` - 1 of the content, and nowhere else.

    `direction`: a spec, or a method that needs nothing but the concept ("diffmean", "trained", ...). A text
    that begins with fewer tokens than `end` is steered at the first tokens that are generated too. `at`:
    later blocks must still read the place, so take the first half of the model. `strength`: of all
    interventions, in their unit; without it the largest is 2 mean residual norms and the others keep their
    sign and proportion to it, and a direction in another unit stays as strong as it is.
    """
    if isinstance(end, bool) or not isinstance(end, int) or end < 1:
        raise InputError(f"end is a place in the text, a whole number of at least 1, got {end!r}")
    concept = load_concept(concept)
    spec = made_direction(lm, concept, at, direction)
    noted = {**spec.provenance, "method": "opening", "direction": spec.provenance.get("method"), "end": end}
    placed = replace(spec.placed((0, end), skip), provenance=noted)
    return _stronger(placed) if strength is None else placed.with_strength(strength)


def _stronger(spec: SteeringSpec) -> SteeringSpec:
    """The largest strength at STRENGTH, signs and proportions kept; as it is where not all are norms."""
    strengths = [each.strength for each in spec.interventions]
    largest = max(abs(each.value) for each in strengths)
    if largest == 0 or {each.unit for each in strengths} != {"residual_norm"}:
        return spec
    raised = (each.with_strength(STRENGTH * (each.strength.value / largest)) for each in spec.interventions)
    return replace(spec, interventions=tuple(raised))
