"""A random direction: the control that every method must beat. Knows no concept."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from saesteer.methods.descent import check_seed
from saesteer.methods.direction import direction_spec, provenance_of
from saesteer.model import LanguageModel
from saesteer.steering import SteeringSpec, TensorRef


def random_direction(
    lm: LanguageModel,
    at: str,
    seed: int = 0,
    *,
    strength: float | None = None,
    texts: Sequence[str] | None = None,
) -> SteeringSpec:
    """A spec that adds a direction drawn evenly from the sphere; `texts`: what the unit is measured on."""
    check_seed(seed)
    at = lm.hookpoint(at)
    draw = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
    vector = torch.randn(lm.width(at), generator=draw, dtype=torch.float64)
    provenance = provenance_of("random_direction", None, at) | {"seed": seed}
    unit = (vector / vector.norm()).float()
    return direction_spec(lm, at, TensorRef.of(unit), provenance, strength=strength, texts=texts)
