"""All that explaining and scoring found, as reports and searches read it. Knows no file, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saesteer.examples.records import Explanation, LatentId, Score


@dataclass(frozen=True)
class LatentFigures:
    """What the cache says of a latent."""

    density: float
    max: float
    windows: int


@dataclass(frozen=True)
class Interpretation:
    """Explanations and scores of latents, at most one of each explainer and scorer and latent."""

    explanations: tuple[Explanation, ...]
    scores: tuple[Score, ...]
    latents: Mapping[LatentId, LatentFigures]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Model, SAEs, cache, settings of every explainer and scorer, seconds."""

    def scorers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.scorer for each in self.scores))

    def explanation(self, latent: LatentId) -> Explanation | None:
        """The first with a text."""
        return next((each for each in self.explanations if each.latent == latent and each.text), None)
