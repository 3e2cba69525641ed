"""Example-embedding: is a window near the windows in which the latent was active before? No explanation.

What it separates, an explanation by examples alone would: a floor for explainers, and a ceiling for what
"texts like these" says of a latent. Knows embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from saesteer.embeddings import Embedder
from saesteer.errors import InputError
from saesteer.examples import Example, Explanation, LatentRecord, Score
from saesteer.scorers.aside import EMBEDDERS
from saesteer.scorers.asking import fingerprint_of, too_few, without_answers
from saesteer.scorers.embedded import Embedded
from saesteer.scorers.separation import missing, separated


@dataclass(frozen=True, eq=False)
class ExampleEmbedding:
    """Mean cosine to the `nearest` active train windows, less that to the `nearest` silent ones."""

    embedder: str | Embedder = "minilm"
    nearest: int = 5
    _embed: Embedded = field(init=False, repr=False)

    name = "example_embedding"
    headline = "auc"
    needs_explanation = False

    def __post_init__(self) -> None:
        if self.nearest < 1:
            raise InputError(f"nearest is a number of windows, at least 1, got {self.nearest}")
        object.__setattr__(self, "_embed", Embedded(self.embedder))

    async def score(self, record: LatentRecord, explanation: Explanation | None = None) -> Score:
        """AUROC of the nearness, active against silent test windows; rows are windows."""
        if not record.train:
            return without_answers(self.name, record, None, too_few("active train window", 0))
        found = missing(self.name, record, None)
        return found or separated(self.name, record, None, await EMBEDDERS(self.nearness, record))

    def nearness(self, record: LatentRecord) -> Float[np.ndarray, " windows"]:
        """Of active test windows first; without silent train windows the first mean alone."""
        windows = self._vectors((*record.test, *record.silent_test))
        near = _mean_of_largest(windows @ self._vectors(record.train).T, self.nearest)
        if not record.silent_train:
            return near
        return near - _mean_of_largest(windows @ self._vectors(record.silent_train).T, self.nearest)

    def fingerprint(self) -> str:
        settings = {"embedder": self._embed.fingerprint(), "nearest": self.nearest}
        return fingerprint_of(self.name, settings)

    def _vectors(self, windows: tuple[Example, ...]) -> Float[np.ndarray, "n d"]:
        return self._embed([each.text for each in windows])


def _mean_of_largest(values: Float[np.ndarray, "n m"], count: int) -> Float[np.ndarray, " n"]:
    return np.sort(values, axis=1)[:, -count:].mean(axis=1)
