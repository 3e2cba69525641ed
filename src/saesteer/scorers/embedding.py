"""Embedding: is a window near the explanation, as a sentence embedder sees both? Knows embeddings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from saesteer.embeddings import Embedder
from saesteer.examples import Explanation, Failure, LatentRecord, Score
from saesteer.scorers.aside import EMBEDDERS
from saesteer.scorers.asking import fingerprint_of, judged, text_or_failure, without_answers
from saesteer.scorers.embedded import Embedded
from saesteer.scorers.separation import missing, separated


@dataclass(frozen=True, eq=False)
class Embedding:
    """The cosine of the explanation and each window."""

    embedder: str | Embedder = "minilm"
    _embed: Embedded = field(init=False, repr=False)

    name = "embedding"
    headline = "auc"
    needs_explanation = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "_embed", Embedded(self.embedder))

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """AUROC of the cosine, active against silent windows; rows are windows."""
        text = text_or_failure(explanation)
        if isinstance(text, Failure):
            return judged(without_answers(self.name, record, None, text), explanation)
        found = missing(self.name, record, text)
        if found is None:
            found = separated(self.name, record, text, await EMBEDDERS(self.cosines, record, text))
        return judged(found, explanation)

    def cosines(self, record: LatentRecord, explanation: str) -> Float[np.ndarray, " windows"]:
        """Of active windows first; 0 where one of the two says nothing to the embedder."""
        texts = [each.text for each in (*record.test, *record.silent_test)]
        vectors = self._embed([explanation, *texts])
        return vectors[1:] @ vectors[0]

    def fingerprint(self) -> str:
        return fingerprint_of(self.name, {"embedder": self._embed.fingerprint()})
