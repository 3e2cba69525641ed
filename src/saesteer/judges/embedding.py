"""Closeness of a text to a concept's own texts, by sentence embeddings. Knows vectors, no language model.

With c+ and c- the means of the concept's positive and negative texts as unit vectors, a text e lies at
p(e) = e.c+ - e.c-. Behaviour is where it stands between the concept's own texts: 0 at the mean of p over the
negative ones, 1 at its mean over the positive ones, cut off beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.embeddings import Embedder, embed, load_embedder
from saesteer.errors import InputError, UnknownName
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.runs import digest
from saesteer.text.concept import Concept

ABOUT: Final = ("texts", "description", "both")
REVISION: Final = 1
_LEAST: Final = 1e-6  # of the way between both sides' means, below which they are the same


class EmbeddingJudge:
    """`about`: whether c+ is of the positive texts, of the description, or of both in equal parts."""

    def __init__(
        self, embedder: str | Embedder = "minilm", about: str = "texts", device: str = "cpu"
    ) -> None:
        if about not in ABOUT:
            raise UnknownName.of("side of the embedding judge (about)", about, ABOUT)
        self._embedder = load_embedder(embedder, device) if isinstance(embedder, str) else embedder
        self._about = about
        self._scales: dict[Concept, _Scale] = {}
        self.name = f"embedding ({embedder if isinstance(embedder, str) else type(embedder).__name__})"

    def fingerprint(self) -> str:
        found = {"judge": "embedding", "revision": REVISION, "about": self._about}
        return digest(found | {"embedder": self._embedder.fingerprint()})

    def check(self, concept: Concept) -> None:
        """InputError where this embedder does not tell the concept's own sides apart."""
        self._scale(concept)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        texts = list(dict.fromkeys(request.text for request in requests))
        vectors = dict(zip(texts, embed(texts, self._embedder), strict=True)) if texts else {}
        return [self._one(vectors[request.text], request.concept) for request in requests]

    def _one(self, vector: Float[np.ndarray, " d"], concept: Concept) -> Judgement:
        """A text that says nothing to the embedder is near to nothing."""
        scale = self._scale(concept)
        place = scale.place(vector)
        detail = {"place": place, "none": scale.none, "all": scale.whole}
        share = (place - scale.none) / (scale.whole - scale.none) if vector.any() else 0.0
        return Judgement(float(np.clip(share, 0.0, 1.0)), None, detail=detail)

    def _scale(self, concept: Concept) -> _Scale:
        if concept not in self._scales:
            self._scales[concept] = self._measured(concept)
        return self._scales[concept]

    def _measured(self, concept: Concept) -> _Scale:
        positive, negative = (embed(side, self._embedder) for side in (concept.positive, concept.negative))
        towards = [_unit(positive.mean(0))] if self._about != "description" else []
        if self._about != "texts":
            if not concept.description.strip():
                raise InputError(f"the concept {concept.name!r} has no description; use about=texts")
            towards.append(embed([concept.description], self._embedder)[0])
        found = _Scale(_unit(np.mean(towards, axis=0)), _unit(negative.mean(0)))
        found.none, found.whole = (float(np.mean(side @ found.way)) for side in (negative, positive))
        if not found.whole - found.none > _LEAST:
            raise InputError(
                f"this embedder does not tell the positive texts of {concept.name!r} from its negative ones; "
                "take another embedder or another judge"
            )
        return found


class _Scale:
    """The line through a concept's two sides, and where each stands on it."""

    def __init__(self, towards: Float[np.ndarray, " d"], away: Float[np.ndarray, " d"]) -> None:
        self.way = towards - away
        self.none = self.whole = 0.0

    def place(self, vector: Float[np.ndarray, " d"]) -> float:
        return float(vector @ self.way)


def _unit(vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
