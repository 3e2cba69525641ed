"""What hard silent windows are found by: neighbours and embedded windows of one cache, made on first use.

Knows a cache and settings; not what is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import Entries, LatentCache
from saesteer.embeddings import Embedder, embed, load_embedder
from saesteer.errors import InputError
from saesteer.examples.embedded import EmbeddedWindows, embed_windows, texts, tokens_hash
from saesteer.examples.grid import Grid
from saesteer.examples.settings import ExampleSettings
from saesteer.examples.similar import Neighbours, neighbours
from saesteer.saes import SAE


class Surroundings:
    """Of a loader; what was made elsewhere is taken, after a look at whether it belongs to the cache."""

    def __init__(
        self,
        cache: LatentCache,
        grid: Grid,
        settings: ExampleSettings,
        saes: Mapping[str, SAE],
        known: Mapping[str, Neighbours],
        embedded: EmbeddedWindows | None,
    ) -> None:
        self._cache, self._grid, self._settings, self._saes = cache, grid, settings, saes
        for name, each in known.items():
            _check_neighbours(cache, name, each)
        self._neighbours = dict(known)
        self._model: Embedder | None = None
        if embedded is not None:
            self._check_embedded(embedded)
        self._embedded = embedded

    def entries(self, name: str, latent: int) -> Entries:
        return self._cache[name].latent(latent)

    def neighbours(self, name: str) -> Neighbours:
        """Of an SAE of the cache."""
        if name not in self._neighbours:
            given = self._settings
            sae = None if given.similarity == "jaccard" else self._saes.get(name)
            self._neighbours[name] = neighbours(self._cache, name, given.similarity, given.neighbours, sae)
        return self._neighbours[name]

    def embedded(self) -> EmbeddedWindows:
        """Windows to choose from."""
        if self._embedded is None:
            given = self._settings
            self._embedded = embed_windows(
                self._cache, given.length, self._embedder(), given.embedded, given.seed
            )
        return self._embedded

    def vectors(self, windows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "m d"]:
        """Of those windows that are embedded; where none is, they are embedded now."""
        pool = self.embedded()
        found = pool.at(windows)
        if len(found):
            return pool.vectors[found]
        return embed(texts(self._cache, self._grid, windows), self._embedder()).astype(np.float32)

    def _embedder(self) -> Embedder:
        self._model = self._model or load_embedder(self._settings.embedder)
        return self._model

    def _check_embedded(self, given: EmbeddedWindows) -> None:
        wanted = {
            "length": self._settings.length,
            "embedder": self._embedder().fingerprint(),
            "cache": tokens_hash(self._cache),
        }
        other = [name for name, value in wanted.items() if given.about.get(name) != value]
        if other:
            raise InputError(f"the embedded windows are of another {', '.join(other)}; embed this cache's")


def _check_neighbours(cache: LatentCache, name: str, given: Neighbours) -> None:
    table = cache[name]
    noted, own = given.about.get("fingerprint"), table.about.get("fingerprint")
    if len(given.latents) != table.d_sae or (noted is not None and own is not None and noted != own):
        raise InputError(
            f"the neighbours given for {name} are of another SAE ({len(given.latents)} latents, the cache "
            f"has {table.d_sae}); find those of this one"
        )
