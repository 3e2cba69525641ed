"""Arrays as .npy files: written piece by piece with a hash per block, read mapped and checked where touched.

Knows bytes and blocks, not what the arrays say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from saesteer.errors import CorruptFile
from saesteer.runs.writing import clear_errors

BLOCK: Final = 1 << 20
"""Bytes that have a hash of their own."""


@dataclass(frozen=True)
class Stored:
    """What an array file must be."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int
    blocks: tuple[str, ...]
    """SHA-256 of each block of the file, header included."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Stored:
        """From JSON."""
        return cls(tuple(record["shape"]), record["dtype"], record["bytes"], tuple(record["blocks"]))


class ArrayFile:
    """An array whose size is known before its numbers, written from first to last."""

    def __init__(self, path: Path, shape: Sequence[int], dtype: Any) -> None:
        self.path, self._shape, self._dtype = path, tuple(map(int, shape)), np.dtype(dtype)
        self._hashes: list[str] = []
        self._sha, self._open, self._bytes = sha256(), 0, 0
        with clear_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115
        header = BytesIO()
        record = {"descr": self._dtype.str, "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(header, record)
        self._write(header.getvalue())
        self._header = self._bytes

    def append(self, part: np.ndarray) -> None:
        """The next numbers."""
        self._write(
            np.ascontiguousarray(part, self._dtype).reshape(-1).view(np.uint8).data if part.size else b""
        )

    def finish(self) -> Stored:
        """Bring it to the disk; what was written."""
        wanted = self._header + int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize
        assert self._bytes == wanted, (self.path, self._bytes, wanted)
        if self._open:
            self._close_block()
        with clear_errors(self.path):
            os.fsync(self._file.fileno())
            self._file.close()
        return Stored(self._shape, self._dtype.str, self._bytes, tuple(self._hashes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        with clear_errors(self.path):
            done = 0
            while done < len(view):
                done += self._file.write(view[done:])
        self._bytes += len(view)
        while view:
            part = view[: BLOCK - self._open]
            self._sha.update(part)
            self._open += len(part)
            if self._open == BLOCK:
                self._close_block()
            view = view[len(part) :]

    def _close_block(self) -> None:
        self._hashes.append(self._sha.hexdigest())
        self._sha, self._open = sha256(), 0


def write_array(path: Path, array: np.ndarray) -> Stored:
    """A whole array at once."""
    with ArrayFile(path, array.shape, array.dtype) as file:
        file.append(array)
        return file.finish()


def mapped(path: Path, stored: Stored) -> np.ndarray:
    """The file's array, mapped; CorruptFile where it is not of the form that was written."""
    if not path.is_file():
        raise CorruptFile(f"{path} is missing; delete its folder to make it anew")
    if (size := path.stat().st_size) != stored.bytes:
        raise CorruptFile(f"{path} has {size} bytes, not the {stored.bytes} that were written; make it anew")
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CorruptFile(f"{path} is no array of numbers ({error}); make it anew") from error
    if array.shape != stored.shape or array.dtype.str != stored.dtype:
        raise CorruptFile(
            f"{path} holds {array.dtype} {list(array.shape)}, not what was written; make it anew"
        )
    return array


def check_blocks(path: Path, stored: Stored, first: int = 0, last: int | None = None) -> None:
    """CorruptFile unless the blocks `first` to `last` - 1 of the file are what was written."""
    with open(path, "rb") as file:
        file.seek(first * BLOCK)
        for number, expected in enumerate(stored.blocks[first:last], start=first):
            if sha256(file.read(BLOCK)).hexdigest() != expected:
                raise CorruptFile(
                    f"{path} was changed since it was written (at byte {number * BLOCK} or after); "
                    "delete its folder to make it anew"
                )


class Checked(NDArrayOperatorsMixin):
    """A mapped array that checks each block of its file when a slice of it is first touched.

    It is read like a NumPy array; whatever needs all of it checks all of it.
    """

    def __init__(self, path: Path, stored: Stored) -> None:
        self._array, self._path, self._stored = mapped(path, stored), path, stored
        self._header = stored.bytes - self._array.nbytes
        self._known = np.zeros(len(stored.blocks), dtype=bool)

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    nbytes = property(lambda self: self._array.nbytes)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        length = len(self._array)
        if isinstance(key, slice):
            low, high, step = key.indices(length)
            rows = range(low, high, step)
            ends = sorted((rows[0], rows[-1])) if rows else (0, -1)
            self._check(ends[0], ends[1] + 1) if abs(step) == 1 else self._check()
        elif isinstance(key, int | np.integer) and -length <= key < length:
            self._check(int(key) % length, int(key) % length + 1)
        elif isinstance(key, np.ndarray) and key.dtype.kind in "iu" and key.size:
            self._check_places(np.asarray(key, np.int64) % max(1, length))
        else:
            self._check()
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._check()
        return np.array(self._array, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        whole = [each.__array__() if isinstance(each, Checked) else each for each in inputs]
        return getattr(ufunc, method)(*whole, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # as hasattr asks of every object
            raise AttributeError(name)
        self._check()
        return getattr(self._array, name)

    def __repr__(self) -> str:
        return f"Checked({self._path.name}, {self.dtype}, {list(self.shape)})"

    def _check(self, first: int = 0, last: int | None = None) -> None:
        """The blocks in which the rows `first` to `last` - 1 stand."""
        last = len(self) if last is None else last
        if first >= last:
            return
        row = self._array.nbytes // len(self)
        low, high = (self._header + first * row) // BLOCK, (self._header + last * row - 1) // BLOCK + 1
        self._check_blocks(np.arange(low, high))

    def _check_places(self, rows: np.ndarray) -> None:
        row = self._array.nbytes // len(self)
        ends = [
            (self._header + (rows.reshape(-1) + more) * row - less) // BLOCK
            for more, less in ((0, 0), (1, 1))
        ]
        self._check_blocks(np.unique(np.concatenate(ends)))  # a row is smaller than a block

    def _check_blocks(self, blocks: np.ndarray) -> None:
        for block in blocks[~self._known[blocks]].tolist():
            check_blocks(self._path, self._stored, block, block + 1)
            self._known[block] = True
