"""Openings for a search to choose among: which direction, after which block, up to which place of the prompt.

So the place of an edit is searched as its strength is. Knows methods; no judge.
"""

from __future__ import annotations

from typing import Final

from saesteer.methods import METHODS, opening
from saesteer.model import LanguageModel
from saesteer.steering import SteeringSpec
from saesteer.text.concept import Concept

LEVELS: Final = (0.1, 0.25, 0.5, 1.0)
"""Nats of KL(steered || plain) per token of fixed texts. Larger than for an edit at every token, since
most of it is paid at the first places, and what is written comes after them."""
DIRECTIONS: Final = ("diffmean", "trained")
ENDS: Final = (3, 6, 12)
_DEPTHS: Final = (0.25, 0.5, 0.75)


def opening_specs(
    lm: LanguageModel,
    concept: Concept,
    at: str | None = None,
    directions: tuple[str, ...] = DIRECTIONS,
    ends: tuple[int, ...] = ENDS,
) -> dict[str, SteeringSpec]:
    """Specs by a name that says what each is; `at`: one hookpoint instead of three depths of the model."""
    blocks = [f"layers.{int(lm.n_layers * depth)}" for depth in _DEPTHS] if at is None else [at]
    found = {}
    for place in dict.fromkeys(blocks):
        for name in directions:
            direction = METHODS.get(name)(lm, concept, place)
            for end in ends:
                named = f"opening {name} {place} 0:{end}"
                found[named] = opening(lm, concept, place, direction=direction, end=end)
    return found
