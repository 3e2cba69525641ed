"""Stories with the truth about each token: the concepts that its sentence expresses. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError
from saesteer.latents import LabelledTexts
from saesteer.text import Document
from saesteer.world.story import tell
from saesteer.world.tokens import token_labels
from saesteer.world.words import CONCEPTS

_FIRST: Final = 80_000_000  # stories that neither the model nor the SAEs were trained on
_SEED: Final = "seed"


class _Stories:
    """Endless stories; each says its seed, from which it can be told again with its labels."""

    def __iter__(self) -> Iterator[Document]:
        seed = _FIRST
        while True:
            yield Document(tell(seed).text, f"story {seed}", meta={_SEED: seed})
            seed += 1


def labels_of(document: Document) -> Float[np.ndarray, "tokens concepts"]:
    """1 or 0 for each token without BOS; columns as CONCEPTS."""
    if _SEED not in document.meta:
        raise InputError(f"{document.id} is no story that says its seed; label it by columns")
    return token_labels(tell(int(document.meta[_SEED])).sentences)[1:-1].astype(np.float32)


def labelled_stories() -> LabelledTexts:
    """Stories without end, held out from all training, and every concept of the world."""
    return LabelledTexts(_Stories(), labels_of, CONCEPTS)
