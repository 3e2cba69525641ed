"""One run: the entries of some rows, sorted by latent, as files of their own until all runs are merged.

Knows arrays and files; no model. A run counts once the journal says so, with the checksums of its files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse

from saesteer.cache.encoding import Found
from saesteer.cache.rows import RowGroup
from saesteer.cache.statistics import Sums, sums_of
from saesteer.runs.writing import clear_errors

RUNS: Final = "runs"
ROWS: Final = ("ids", "lengths", "documents", "offsets")
_PIECE: Final = 1 << 24  # bytes that are read at once


@dataclass(frozen=True, eq=False)
class RunFiles:
    """Where a run's arrays lie."""

    folder: Path

    @classmethod
    def of(cls, root: Path, number: int) -> RunFiles:
        return cls(root / RUNS / f"{number:06d}")

    def path(self, part: str, name: str) -> Path:
        """`part`: "rows", or the number of an SAE."""
        return self.folder / f"{part}.{name}.npy"

    @property
    def names(self) -> Path:
        """The documents that begin in this run, a line of JSON each."""
        return self.folder / "rows.names.jsonl"

    def load(self, part: str, name: str) -> np.ndarray:
        """Mapped."""
        array: np.ndarray = np.load(self.path(part, name), mmap_mode="r", allow_pickle=False)
        return array

    def drop(self, part: str) -> None:
        """Delete the files of one part."""
        for each in self.folder.glob(f"{part}.*"):
            each.unlink()

    def save(self, part: str, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            with clear_errors(self.path(part, name)):
                np.save(self.path(part, name), array, allow_pickle=False)

    def checksums(self) -> dict[str, int]:
        """CRC-32 of each file, which tells a torn file from a whole one."""
        return {each.name: _crc(each) for each in sorted(self.folder.iterdir())}

    def bytes(self) -> int:
        return sum(each.stat().st_size for each in self.folder.iterdir())

    def whole(self, said: dict[str, int], parts: Sequence[str]) -> bool:
        """Whether the files of these parts are those that the journal speaks of."""
        mine = {name: crc for name, crc in said.items() if name.partition(".")[0] in parts}
        return all(
            (self.folder / name).is_file() and _crc(self.folder / name) == crc for name, crc in mine.items()
        )


def spill_rows(
    files: RunFiles, groups: Sequence[RowGroup], vocabulary: int, names: list[dict[str, Any]]
) -> None:
    """The tokens of a run and its documents' names. `vocabulary`: how many token ids there are."""
    with clear_errors(files.folder):
        files.folder.mkdir(parents=True, exist_ok=True)
        for each in files.folder.iterdir():  # of an attempt that was killed
            each.unlink()
    arrays = {name: np.concatenate([getattr(group, name) for group in groups]) for name in ROWS}
    files.save("rows", arrays | {"ids": arrays["ids"].astype(np.min_scalar_type(max(0, vocabulary - 1)))})
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in names)
    with clear_errors(files.names):
        files.names.write_text(lines, encoding="utf-8", newline="\n")


def spill(
    files: RunFiles,
    part: str,
    found: Found,
    rows: Int[np.ndarray, " n"],
    d_sae: int,
    kept: Bool[np.ndarray, " d_sae"] | None,
) -> dict[str, Any]:
    """The entries of one SAE, latent by latent, and their statistics; what the journal should say of them.

    `rows`: the row of each token. `kept`: the latents whose entries are wanted; None: all.
    """
    starts = np.concatenate([[0], np.cumsum(found.counts, dtype=np.int64)]).astype(_index(len(found.latents)))
    matrix = sparse.csr_array((found.values, found.latents, starts), shape=(len(found.counts), d_sae))
    by_latent = matrix.tocsc()  # a counting sort, stable: tokens ascend within a latent
    indptr, tokens, values = by_latent.indptr, by_latent.indices, by_latent.data
    del matrix, by_latent, found
    sums = Sums.join([_narrow(each) for each in sums_of(indptr, rows[tokens], values)])
    record = {"fits": _fits(values), "entries": len(values)}
    if kept is not None:
        wanted = np.repeat(kept, np.diff(indptr))
        indptr = np.concatenate([[0], np.cumsum(np.diff(indptr) * kept)])
        tokens, values = tokens[wanted], values[wanted]
    files.save(
        part, {"indptr": indptr.astype(np.int64), "tokens": tokens.astype(np.uint32), "values": values}
    )
    files.save(part, {name: _small(each) for name, each in vars(sums).items()})
    return record


def _index(entries: int) -> Any:
    return np.int32 if entries < 2**31 else np.int64


def _fits(values: np.ndarray) -> bool:
    """Whether float16 keeps every value from becoming infinite or 0."""
    if not len(values):
        return True
    size = np.abs(values)
    ends = np.array([size.max(), size.min()]).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        half = ends.astype(np.float16)
    return bool(np.isfinite(half[0]) and half[1] > 0)


def _narrow(sums: Sums) -> Sums:
    return replace(sums, histogram=sums.histogram.astype(np.uint32))


def _small(array: np.ndarray) -> np.ndarray:
    """Whole numbers in as few bytes as they need."""
    if array.dtype.kind == "f":
        return array
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def _crc(path: Path) -> int:
    found = 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            found = zlib.crc32(piece, found)
    return found
