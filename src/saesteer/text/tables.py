"""Rows of files and of the hub's data sets, and numbered lines; one after the other.

Knows formats, not what the columns mean; holds no whole file, but for a .json, which is one value.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from saesteer.errors import CorruptFile, InputError, MissingExtra
from saesteer.parsing import parse_json
from saesteer.settings import OFFLINE, load_settings

_LONGEST_FIELD = 2**31 - 1  # of a CSV cell; the module's own limit of 128 KiB cuts stories
HUB: Final = "hf:"


@dataclass(frozen=True)
class Record:
    """One row: columns and values, and where it stands."""

    values: Mapping[str, Any]
    id: str
    """The file and the number of the line or row."""
    where: str
    """The same, as a message says it."""

    def get(self, column: str) -> Any:
        """The value; InputError where there is no such column."""
        if column not in self.values:
            existing = ", ".join(map(str, self.values)) or "none"
            raise InputError(f"{self.where} has no column {column!r}, only {existing}; name one (text=...)")
        return self.values[column]


def read_records(source: str | Path) -> Iterator[Record]:
    """The rows of a .jsonl, .json (a list of objects), .csv or .parquet file, or of hf:NAME:SPLIT:CONFIG.

    InputError names file and line.
    """
    if str(source).startswith(HUB):
        return _hub(str(source))
    path = Path(source)
    if path.suffix.lower() not in TABLES:
        raise InputError(f"{path} is of no known kind of table; give {', '.join(TABLES)} or hf:NAME")
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    return TABLES[path.suffix.lower()](path)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends, decoded one by one; a byte-order mark is dropped."""
    with _opened(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path} line {number} is not UTF-8 ({error.reason}); save it as UTF-8"
                ) from error
            if "\0" in line:
                raise InputError(f"{path} line {number} holds a NUL byte; give a text file")
            yield number, line


def _jsonl(path: Path) -> Iterator[Record]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise InputError(f"{path} line {number} is not JSON ({error}); mend that line") from error
        yield _record(row, path, number, "line")


def _json(path: Path) -> Iterator[Record]:
    try:
        rows = parse_json("".join(line for _, line in read_lines(path)))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); mend it, or give a .jsonl") from error
    if not isinstance(rows, list):
        raise InputError(f"{path} holds {type(rows).__name__}, not a list of objects; give a list")
    for number, row in enumerate(rows, start=1):
        yield _record(row, path, number, "row")


def _csv(path: Path) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader((line for _, line in read_lines(path)), strict=True)
    try:
        for row in reader:
            if None in row:
                raise InputError(
                    f"{path} line {reader.line_num} has more cells than the header; quote the commas"
                )
            yield _record(row, path, reader.line_num, "line")
    except csv.Error as error:
        raise InputError(
            f"{path} line {reader.reader.line_num} is not CSV ({error}); mend that line"
        ) from error


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield _record(row, path, number, "row")
    except (pa.ArrowException, OSError) as error:
        raise CorruptFile(f"{path} is not a whole Parquet file ({error}); get it anew") from error


def _hub(source: str) -> Iterator[Record]:
    """Rows of a data set from the Hugging Face hub, streamed."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra.of("datasets", "datasets") from error
    if load_settings().offline:
        raise InputError(f"{source} is on the network and {OFFLINE} is set; give a file, or unset it")
    name, _, rest = source.removeprefix(HUB).partition(":")
    split, _, config = rest.partition(":")
    rows = datasets.load_dataset(name, config or None, split=split or "train", streaming=True)
    for number, row in enumerate(rows, start=1):
        yield Record(row, f"{source}:{number}", f"{source} row {number}")


def _record(row: Any, path: Path, number: int, unit: str) -> Record:
    where = f"{path} {unit} {number}"
    if not isinstance(row, dict):
        raise InputError(f'{where} is no JSON object; write {{"text": ...}}')
    return Record(row, f"{path}:{number}", where)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check it") from error


TABLES: Final[Mapping[str, Callable[[Path], Iterator[Record]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
