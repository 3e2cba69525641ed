"""Texts as vectors, each computed once for all the latents that show it. Knows an embedder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.embeddings import Embedder, embed, load_embedder

KEPT: Final = 20_000
"""Texts whose vectors are kept, those that were asked for longest ago given up first."""


class Embedded:
    """An embedder with a memory; may be asked from several threads."""

    def __init__(self, embedder: str | Embedder) -> None:
        self._given = embedder
        self._known: dict[str, Float[np.ndarray, " d"]] = {}
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """One vector of length 1 per text; zeros for a text that says nothing to the embedder."""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._known]
            if new:
                self._known.update(zip(new, embed(new, self._embedder), strict=True))
            found = np.stack([self._known.setdefault(text, self._known.pop(text)) for text in texts])
            for text in [*self._known][: max(0, len(self._known) - KEPT)]:
                del self._known[text]
            return found

    def fingerprint(self) -> str:
        return self._embedder.fingerprint()

    @property
    def _embedder(self) -> Embedder:
        return load_embedder(self._given) if isinstance(self._given, str) else self._given
