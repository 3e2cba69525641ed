"""An append-only log of JSON lines; a line that a crash tore off is skipped on reading, cut off on writing.

Knows lines, not what they say; one writer at a time. For work that resumes inside a stage, and for what is
said later about a finished one (ratings joined by row id).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from saesteer.errors import CorruptFile
from saesteer.runs.checksums import plain
from saesteer.runs.writing import clear_errors


class Journal:
    """The log at `path`; reading and appending open the file anew each time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, *rows: Any) -> None:
        """Add rows and bring them to the disk; on a failure the log ends where it ended before."""
        lines = [json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
        with clear_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b", buffering=0) as file:
                end = _mend(file)
                try:
                    _write_all(file, "".join(lines).encode())
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(end)
                    raise

    def extend(self, rows: Iterable[Any]) -> None:
        """Add many rows at once."""
        self.append(*rows)

    def __iter__(self) -> Iterator[Any]:
        """The rows that were written whole, first to last; a missing file has none."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # torn off by a crash: it was never acknowledged
                yield self._row(line, number)

    def _row(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise CorruptFile(f"{self.path} line {number} is not JSON; remove that line") from error


def _mend(file: FileIO) -> int:
    """Cut a torn last line off; the length that remains."""
    end = file.seek(0, os.SEEK_END)
    keep = end
    while keep > 0:
        start = max(0, keep - 65536)
        file.seek(start)
        if (found := file.read(keep - start).rfind(b"\n")) >= 0:
            keep = start + found + 1
            break
        keep = start
    if keep < end:
        file.truncate(keep)
    return keep


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
