"""The latents that are most like each latent of an SAE, by what they do or by their weights.

Knows the table of similarities and one file. How each is computed stands in cooccurrence and directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import LatentCache, LatentTable
from saesteer.errors import CorruptFile, InputError
from saesteer.examples.arrays import arrays_file, read_about, read_arrays, write_arrays
from saesteer.examples.cooccurrence import jaccard
from saesteer.examples.directions import decoder_cosine, encoder_cosine
from saesteer.names import Registry
from saesteer.runs import digest, plain, run_stage, sha256_bytes
from saesteer.saes import SAE

_NAME: Final = "neighbours"  # of its files
NOBODY: Final = -1
"""In place of a latent, where there are fewer similar ones than were asked for."""


class Neighbour(NamedTuple):
    """A latent that is like another."""

    latent: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each latent of an SAE the most similar ones, nearest first."""

    latents: Int[np.ndarray, "d_sae k"]
    """-1 where there are no more."""
    similarities: Float[np.ndarray, "d_sae k"]
    """0 there."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """SAE, similarity, how much of the cache was counted."""

    def of(self, latent: int) -> tuple[Neighbour, ...]:
        """Of one latent."""
        if not 0 <= latent < len(self.latents):
            raise InputError(f"latents are 0 to {len(self.latents) - 1}, got {latent}")
        pairs = zip(self.latents[latent].tolist(), self.similarities[latent].tolist(), strict=True)
        return tuple(Neighbour(*each) for each in pairs if each[0] != NOBODY)

    def save(self, folder: str | Path) -> None:
        """Two files."""
        arrays = {"latents": self.latents, "similarities": self.similarities}
        write_arrays(folder, _NAME, arrays, self.about)

    @classmethod
    def load(cls, folder: str | Path) -> Neighbours:
        """What `save` wrote, or a stage of `store_neighbours`."""
        latents, similarities = read_arrays(folder, _NAME, ("latents", "similarities"), "neighbours")
        fits = latents.ndim == 2 and latents.shape == similarities.shape and latents.dtype == np.int32
        if not fits or not ((latents >= NOBODY) & (latents < len(latents))).all():
            path = arrays_file(folder, _NAME)
            raise CorruptFile(f"{path} holds no neighbours of {latents.shape} latents; make it anew")
        return cls(latents, similarities, read_about(folder, _NAME))


Similarity = Callable[
    [LatentTable, SAE | None, int], tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]
]

SIMILARITIES: Registry[Similarity] = Registry(
    "similarity of latents",
    {"jaccard": jaccard, "decoder": decoder_cosine, "encoder": encoder_cosine},
)


def neighbours(
    cache: LatentCache, name: str, how: str = "jaccard", k: int = 10, sae: SAE | None = None
) -> Neighbours:
    """The `k` latents most like each that has an entry in the cache, among those that have one.

    `name`: of the SAE in the cache; `sae`: itself, needed for "decoder" and "encoder".
    """
    if k < 1:
        raise InputError(f"k of neighbours is 1 or more, got {k}; mend it")
    table = cache[name]
    if sae is not None:
        check_same(table, sae)
    latents, similarities = SIMILARITIES.get(how)(table, sae, k)
    about = {"sae": name, "how": how, "k": k, "fingerprint": table.about.get("fingerprint")}
    return Neighbours(latents, similarities, about)


def store_neighbours(
    root: str | Path, cache: LatentCache, name: str, how: str = "jaccard", k: int = 10, sae: SAE | None = None
) -> Path:
    """The same as a finished stage for `Neighbours.load`; found again by an equal call."""
    inputs = {"table": content(cache[name])} | ({"sae": sae.fingerprint()} if sae is not None else {})

    def work(folder: Path) -> None:
        neighbours(cache, name, how, k, sae).save(folder)

    return run_stage(root, "neighbours", work, inputs=inputs, config={"sae": name, "how": how, "k": k})


def check_same(table: LatentTable, sae: SAE) -> None:
    """Refuse an SAE that is not the one of the table."""
    noted = table.about.get("fingerprint")
    if sae.cfg.d_sae != table.d_sae or (noted is not None and noted != sae.fingerprint()):
        raise InputError(
            f"{table.name} of the cache has {table.d_sae} latents of the SAE {str(noted)[:12]}, got another "
            f"with {sae.cfg.d_sae}; load the SAE that was cached"
        )


def content(table: LatentTable) -> str:
    """A hash of which entries a table holds, by their counts and sums; no entry is read."""
    found = table.statistics
    arrays = (np.asarray(table.indptr), np.asarray(found.sum), np.asarray(found.squares))
    hashes = [sha256_bytes(np.ascontiguousarray(each).tobytes()) for each in arrays]
    return digest([plain(dict(table.about)), table.name, *hashes])
