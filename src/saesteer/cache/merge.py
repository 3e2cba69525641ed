"""All runs into the final files, block of latents by block. Knows arrays and files; no model, no SAE.

Memory is bounded by one block of entries, whatever the number of runs. A part that is merged is never merged
again: the journal says so, and its runs are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int

from saesteer.cache.npy import ArrayFile, Stored, write_array
from saesteer.cache.single_token import single_token
from saesteer.cache.spill import RunFiles
from saesteer.cache.statistics import BINS, NAMES, Sums, blocks
from saesteer.runs import atomic

DOCUMENTS: Final = "documents.jsonl"
_ENTRIES: Final = 1 << 19  # of a block
_LATENTS: Final = 1 << 13  # whose statistics are added at once
Note = Callable[[int], None]
"""Is told how many bytes were written."""


@dataclass(frozen=True)
class Filters:
    """Which latents keep their entries; statistics are of all."""

    low: float = 0.0
    high: float = 1.0
    """Share of the content tokens at which a latent is active."""
    min_count: int = 0
    latents: tuple[int, ...] | None = None

    def kept(self, count: Int[np.ndarray, " d_sae"], tokens: int) -> Bool[np.ndarray, " d_sae"]:
        share = count / max(1, tokens)
        kept = (share >= self.low) & (share <= self.high) & (count >= self.min_count)
        return kept if self.latents is None else kept & self.listed(len(count))

    def listed(self, d_sae: int) -> Bool[np.ndarray, " d_sae"]:
        """Those that were asked for by number."""
        found = np.zeros(d_sae, dtype=bool)
        found[list(range(d_sae) if self.latents is None else self.latents)] = True
        return found


def merge_rows(folder: Path, runs: Sequence[RunFiles], note: Note) -> dict[str, Stored]:
    """The tokens and their rows, and the names of the documents."""
    lengths = [int(run.load("rows", "ids").shape[0]) for run in runs]
    rows = [len(run.load("rows", "lengths")) for run in runs]
    ids = runs[0].load("rows", "ids").dtype
    shapes = {"ids": (sum(lengths), ids), "starts": (sum(rows) + 1, np.int64)}
    shapes |= {name: (sum(rows), np.int64) for name in ("documents", "offsets")}
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(ArrayFile(folder / "tokens" / f"{name}.npy", (size,), dtype))
            for name, (size, dtype) in shapes.items()
        }
        begin = 0
        for run in runs:
            files["starts"].append(
                begin + np.cumsum(run.load("rows", "lengths")) - run.load("rows", "lengths")
            )
            for name in ("ids", "documents", "offsets"):
                files[name].append(run.load("rows", name))
            begin += len(run.load("rows", "ids"))
        files["starts"].append(np.array([begin]))
        found = {f"tokens/{name}.npy": file.finish() for name, file in files.items()}
    _merge_names(folder / DOCUMENTS, runs)
    note(sum(each.bytes for each in found.values()))
    return found


def _merge_names(path: Path, runs: Sequence[RunFiles]) -> None:
    with atomic(path) as temporary, open(temporary, "wb") as file:
        for run in runs:
            file.write(run.names.read_bytes())


def merge_table(
    folder: Path,
    runs: Sequence[RunFiles],
    part: str,
    sizes: Sequence[Mapping[str, Any]],
    filters: Filters,
    dtype: Any,
    note: Note,
) -> dict[str, Stored]:
    """The entries and statistics of one SAE. `sizes`: the tokens, and those with content, of each run."""
    indptrs = [run.load(part, "indptr") for run in runs]
    counts, found = _merge_statistics(folder, runs, part, note)
    kept = filters.kept(counts, sum(each["content"] for each in sizes))
    ends = np.cumsum([each["tokens"] for each in sizes])
    held = np.zeros(len(counts), np.int64)  # after the filter by number, which runs have applied already
    for indptr in indptrs:
        held += np.diff(indptr)
    indptr = np.concatenate([[0], np.cumsum(held * kept)])
    wide = np.uint32 if ends[-1] <= 2**32 else np.uint64
    where = folder / "saes" / part
    with (
        ArrayFile(where / "tokens.npy", (indptr[-1],), wide) as places,
        ArrayFile(where / "values.npy", (indptr[-1],), dtype) as values,
        ArrayFile(where / "indptr.npy", indptr.shape, np.int64) as pointers,
    ):
        pointers.append(indptr)
        loaded = [(run.load(part, "tokens"), run.load(part, "values")) for run in runs]
        entries = _Entries(indptrs, loaded, [0, *ends.tolist()], kept)
        for first, last in blocks(indptr, _ENTRIES):
            for some, few in entries.block(first, last, int(indptr[last] - indptr[first])):
                places.append(some.astype(wide))
                values.append(few.astype(dtype))
                note(len(some) * (np.dtype(wide).itemsize + np.dtype(dtype).itemsize))
        for file in (places, values, pointers):
            found[f"saes/{part}/{file.path.name}"] = file.finish()
    found[f"saes/{part}/single.npy"] = _merge_single(folder, where)
    return found


def _merge_single(folder: Path, where: Path) -> Stored:
    """Which latents stand for one token, of the final files."""
    paths = [folder / "tokens/ids.npy", *(where / f"{name}.npy" for name in ("indptr", "tokens", "values"))]
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    return write_array(where / "single.npy", single_token(*arrays))


@dataclass(frozen=True, eq=False)
class _Entries:
    """The entries of one SAE in all runs."""

    indptrs: Sequence[np.ndarray]
    arrays: Sequence[tuple[np.ndarray, np.ndarray]]
    bases: Sequence[int]
    kept: Bool[np.ndarray, " d_sae"]

    def block(self, first: int, last: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Tokens and values of the latents `first` to `last` - 1, in the order of the final files."""
        if last == first + 1:  # it may be longer than a block: run by run
            if self.kept[first]:
                yield from (self._slice(number, first, last) for number in range(len(self.arrays)))
            return
        tokens, values = np.empty(size, np.int64), np.empty(size, np.float32)
        counts = [np.diff(each[first : last + 1]) * self.kept[first:last] for each in self.indptrs]
        total = np.sum(counts, axis=0)
        cursor = np.cumsum(total) - total
        for number, count in enumerate(counts):
            some, few = self._slice(number, first, last)
            if not self.kept[first:last].all():
                wanted = np.repeat(self.kept[first:last], np.diff(self.indptrs[number][first : last + 1]))
                some, few = some[wanted], few[wanted]
            place = np.repeat(cursor - (np.cumsum(count) - count), count) + np.arange(len(some))
            tokens[place], values[place] = some, few
            cursor = cursor + count
        yield tokens, values

    def _slice(self, number: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        indptr, (tokens, values) = self.indptrs[number], self.arrays[number]
        part = slice(int(indptr[first]), int(indptr[last]))
        return tokens[part].astype(np.int64) + self.bases[number], np.asarray(values[part])


def _merge_statistics(
    folder: Path, runs: Sequence[RunFiles], part: str, note: Note
) -> tuple[Int[np.ndarray, " d_sae"], dict[str, Stored]]:
    """Per latent over all runs, added in their order; how often each is active, and the files."""
    arrays = [{name: run.load(part, name) for name in NAMES} for run in runs]
    d_sae = len(arrays[0]["count"])
    counts = np.zeros(d_sae, np.int64)
    kinds = {name: np.float64 if name in ("sum", "squares", "max") else np.int64 for name in NAMES}
    with ExitStack() as stack:
        files = {}
        for name, kind in kinds.items():
            shape = (d_sae, BINS) if name == "histogram" else (d_sae,)
            path = folder / "saes" / part / f"{name}.npy"
            files[name] = stack.enter_context(ArrayFile(path, shape, kind))
        for first in range(0, d_sae, _LATENTS):
            rows = slice(first, first + _LATENTS)
            total = _sums(arrays[0], rows, kinds)
            for each in arrays[1:]:
                total = total.plus(_sums(each, rows, kinds))
            for name, file in files.items():
                file.append(getattr(total, name))
            counts[rows] = total.count
        found = {f"saes/{part}/{name}.npy": file.finish() for name, file in files.items()}
    note(sum(each.bytes for each in found.values()))
    return counts, found


def _sums(arrays: dict[str, np.ndarray], rows: slice, kinds: dict[str, Any]) -> Sums:
    return Sums(**{name: arrays[name][rows].astype(kind) for name, kind in kinds.items()})
