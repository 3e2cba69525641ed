"""CSV that no spreadsheet takes for a formula. Knows cells, not what they mean."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import IO, Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """A text that a spreadsheet would run gets an apostrophe before it; numbers stay, None is empty."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


class CSVRows:
    """Rows written one after the other to an open file, under one header."""

    def __init__(self, file: IO[str], columns: Sequence[str]) -> None:
        self._writer, self._columns = csv.writer(file, lineterminator="\n"), tuple(columns)
        self._writer.writerow(map(cell, self._columns))

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows with exactly these columns."""
        self._writer.writerows([cell(row[name]) for name in self._columns] for row in rows)
