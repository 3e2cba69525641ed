"""Windows of a cache as vectors of their meaning, embedded once and kept. Knows embedders; no latent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from saesteer.cache import LatentCache
from saesteer.embeddings import Embedder, embed, load_embedder
from saesteer.errors import CorruptFile, InputError
from saesteer.examples.arrays import arrays_file, read_about, read_arrays, write_arrays
from saesteer.examples.grid import Grid
from saesteer.examples.luck import luck
from saesteer.runs import digest, run_stage, sha256_bytes

_NAME: Final = "windows"  # of its files
_BATCH: Final = 512


@dataclass(frozen=True, eq=False)
class EmbeddedWindows:
    """Vectors of some windows of a grid."""

    windows: Int[np.ndarray, " n"]
    """Their numbers, ascending."""
    vectors: Float[np.ndarray, "n d"]
    """Of length 1; zeros where a window says nothing to the embedder."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Embedder, length of the windows, which cache."""

    def at(self, windows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Where those of the windows stand that are among these."""
        place = np.searchsorted(self.windows, windows)
        place = np.minimum(place, len(self.windows) - 1)
        return place[self.windows[place] == windows]

    def save(self, folder: str | Path) -> None:
        """Two files."""
        arrays = {"windows": self.windows, "vectors": self.vectors}
        write_arrays(folder, _NAME, arrays, self.about)

    @classmethod
    def load(cls, folder: str | Path) -> EmbeddedWindows:
        """What `save` wrote, or a stage of `store_embedded`."""
        windows, vectors = read_arrays(folder, _NAME, ("windows", "vectors"), "embedded windows")
        if windows.ndim != 1 or vectors.ndim != 2 or len(windows) != len(vectors) or not len(windows):
            raise CorruptFile(f"{arrays_file(folder, _NAME)} holds no embedded windows; make it anew")
        return cls(windows, vectors, read_about(folder, _NAME))


def embed_windows(
    cache: LatentCache,
    length: int = 32,
    embedder: str | Embedder = "minilm",
    most: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> EmbeddedWindows:
    """`most`: only so many, drawn at random. `progress`: told (windows done, of how many)."""
    grid = Grid.of(cache.tokens, length)
    if not len(grid):
        raise InputError("the cache holds no content token, so there is no window to embed; cache some text")
    windows = np.arange(len(grid))
    if most is not None and most < len(grid):
        windows = np.sort(luck(seed, "embedded").choice(len(grid), most, replace=False))
    model = load_embedder(embedder) if isinstance(embedder, str) else embedder
    parts = []
    for low in range(0, len(windows), _BATCH):
        parts.append(embed(texts(cache, grid, windows[low : low + _BATCH]), model).astype(np.float32))
        if progress is not None:
            progress(min(low + _BATCH, len(windows)), len(windows))
    about = {"length": length, "embedder": model.fingerprint(), "cache": tokens_hash(cache), "seed": seed}
    return EmbeddedWindows(windows, np.concatenate(parts), about)


def store_embedded(
    root: str | Path,
    cache: LatentCache,
    length: int = 32,
    embedder: str | Embedder = "minilm",
    most: int | None = None,
    seed: int = 0,
) -> Path:
    """The same as a finished stage for `EmbeddedWindows.load`; found again by an equal call."""
    model = load_embedder(embedder) if isinstance(embedder, str) else embedder
    inputs = {"tokens": tokens_hash(cache), "embedder": model.fingerprint()}

    def work(folder: Path) -> None:
        embed_windows(cache, length, model, most, seed).save(folder)

    return run_stage(root, "windows", work, inputs=inputs, config={"length": length, "most": most}, seed=seed)


def texts(cache: LatentCache, grid: Grid, windows: Int[np.ndarray, " n"]) -> list[str]:
    """What is written in windows."""
    ids, strings = np.asarray(cache.tokens.ids), cache.strings
    spans = zip(*(each.tolist() for each in grid.bounds(windows)), strict=True)
    return ["".join([strings[each] for each in ids[start:stop].tolist()]) for start, stop in spans]


def tokens_hash(cache: LatentCache) -> str:
    """Equal for caches of the same tokens in the same rows."""
    arrays = (np.asarray(cache.tokens.ids, np.int64), np.asarray(cache.tokens.starts, np.int64))
    return digest([*(sha256_bytes(each.tobytes()) for each in arrays), sorted(cache.tokens.special_ids)])
