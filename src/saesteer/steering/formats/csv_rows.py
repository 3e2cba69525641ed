"""CSV files of steered latents: rows as their makers write them, with spaces. Knows no dialect."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import BadSpec, InputError
from saesteer.runs import write_text
from saesteer.steering.fields import bad, finite, shown
from saesteer.text.tables import read_records

_LARGEST: Final = 2**24  # bytes
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Row:
    """One row: columns and texts without the spaces around them."""

    where: str
    """As a message says it: the file and the line."""
    cells: Mapping[str, str]

    def text(self, column: str, default: str | None = None) -> str:
        """What stands there; without a default an empty cell is refused."""
        found = self.cells.get(column, "") or default
        if found is None:
            raise bad(column, "is missing" if column not in self.cells else "is empty")
        return found

    def number(self, column: str) -> float:
        """A finite number."""
        return finite(column, _number(column, self.text(column)))

    def latent(self, column: str) -> int:
        """A latent; 12.0 is one too, for that is how a column with empty cells is saved."""
        number = _number(column, self.text(column))
        if number < 0 or number != int(number):
            raise bad(column, f"must be a whole number of 0 or more, got {self.text(column)!r}")
        return int(number)


def read_rows(path: Path) -> list[Row]:
    """Every row that is not empty."""
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise InputError(f"{path} has {path.stat().st_size} bytes, too many for a table of latents; check it")
    found = []
    _check_ending(path)
    for record in read_records(path):
        named = {str(key).strip(): str(value or "").strip() for key, value in record.values.items()}
        cells = {key: value for key, value in named.items() if key}
        if any(cells.values()):
            found.append(Row(record.where, cells))
    if not found:
        raise BadSpec(f"{path} has no rows; a table of latents has a header and a row for each latent")
    return found


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows under these columns, of which those that no row fills are left out."""
    _check_ending(path)
    used = [column for column in columns if any(row.get(column) not in (None, "") for row in rows)]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, used, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(row.get(key)) for key in used})
    write_text(path, out.getvalue())


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a quote before it."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value


def _number(column: str, text: str) -> float:
    try:
        return finite(column, float(text))
    except ValueError as error:
        raise bad(column, f"must be a number, got {shown(text)}") from error


def _check_ending(path: Path) -> None:
    if path.suffix.lower() != ".csv":
        raise InputError(f"a table of latents is a .csv file, got {path.name!r}; rename it")
