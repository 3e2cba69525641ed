"""Documents from files and data sets, one after the other. Knows formats, not tokens; holds no whole file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from saesteer.errors import CorruptFile, InputError, MissingExtra
from saesteer.parsing import parse_json
from saesteer.settings import OFFLINE, load_settings
from saesteer.text.concept import HALVES

_LONGEST_FIELD = 2**31 - 1  # of a CSV cell; the module's own limit of 128 KiB cuts stories


@dataclass(frozen=True)
class Document:
    """One text, where it came from and, in a labelled source, what it was labelled."""

    text: str
    id: str
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold the text and the label."""

    text: str = "text"
    label: str = "label"


def read_texts(
    source: str | Path, *, text: str = "text", label: str = "label", whole: bool = False
) -> Iterator[Document]:
    """The documents of a .txt (one per line, or `whole`), .jsonl, .csv or .parquet file, or hf:NAME:SPLIT.

    `text` and `label` name columns; a missing label column is no error. An input that cannot be read raises
    InputError naming file and line; a source without documents raises too.
    """
    columns = Columns(text, label)
    if str(source).startswith("hf:"):
        return _some(_read_hub(str(source), columns), str(source))
    path = Path(source)
    readers: dict[str, Callable[[Path], Iterator[Document]]] = {
        ".txt": partial(_read_txt, whole=whole),
        ".jsonl": partial(_read_jsonl, columns=columns),
        ".csv": partial(_read_csv, columns=columns),
        ".parquet": partial(_read_parquet, columns=columns),
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} is of no known kind of texts; give {', '.join(readers)} or hf:NAME")
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    return _some(readers[path.suffix.lower()](path), str(path))


def read_text(path: Path) -> str:
    """A whole small file as text."""
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    return "".join(line for _, line in _lines(path))


def _some(documents: Iterator[Document], name: str) -> Iterator[Document]:
    empty = True
    for document in documents:
        empty = False
        yield document
    if empty:
        raise InputError(f"{name} holds no text; give a source with at least one document")


def _read_txt(path: Path, whole: bool) -> Iterator[Document]:
    if whole:
        content = read_text(path)
        if content.strip():
            yield Document(content, str(path))
        return
    for number, line in _lines(path):
        if line.strip():
            yield Document(line.rstrip("\r\n"), f"{path}:{number}")


def _read_jsonl(path: Path, columns: Columns) -> Iterator[Document]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise InputError(f"{path} line {number} is not JSON ({error}); mend that line") from error
        if not isinstance(row, dict):
            raise InputError(f'{path} line {number} is no JSON object; write {{"{columns.text}": ...}}')
        yield _document(row, columns, f"{path}:{number}", f"{path} line {number}")


def _read_csv(path: Path, columns: Columns) -> Iterator[Document]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader((line for _, line in _lines(path)), strict=True)
    try:
        for row in reader:
            if None in row:
                raise InputError(
                    f"{path} line {reader.line_num} has more cells than the header; quote the commas"
                )
            yield _document(row, columns, f"{path}:{reader.line_num}", f"{path} line {reader.line_num}")
    except csv.Error as error:
        raise InputError(
            f"{path} line {reader.reader.line_num} is not CSV ({error}); mend that line"
        ) from error


def _read_parquet(path: Path, columns: Columns) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            if columns.text not in file.schema_arrow.names:
                raise _no_column(str(path), columns.text, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield _document(row, columns, f"{path}:{number}", f"{path} row {number}")
    except (pa.ArrowException, OSError) as error:
        raise CorruptFile(f"{path} is not a whole Parquet file ({error}); get it anew") from error


def _read_hub(source: str, columns: Columns) -> Iterator[Document]:
    """Rows of a data set from the Hugging Face hub, streamed."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra.of("datasets", "datasets") from error
    if load_settings().offline:
        raise InputError(f"{source} is on the network and {OFFLINE} is set; give a file, or unset it")
    name, _, split = source.removeprefix("hf:").partition(":")
    rows = datasets.load_dataset(name, split=split or "train", streaming=True)
    for number, row in enumerate(rows, start=1):
        yield _document(row, columns, f"{source}:{number}", f"{source} row {number}")


def _document(row: Mapping[str, Any], columns: Columns, name: str, where: str) -> Document:
    if columns.text not in row:
        raise _no_column(where, columns.text, list(row))
    text, label = row[columns.text], row.get(columns.label)
    if not isinstance(text, str):
        raise InputError(
            f"{where}: {columns.text!r} holds {type(text).__name__}, not text; mend or remove it"
        )
    if not text.strip():
        raise InputError(f"{where}: {columns.text!r} is empty; remove it")
    if HALVES.search(text):
        raise InputError(f"{where}: {columns.text!r} holds half a surrogate pair; mend or remove it")
    meta = {key: value for key, value in row.items() if key not in (columns.text, columns.label)}
    return Document(text, name, None if label is None else str(label), meta)


def _no_column(where: str, column: str, existing: list[str]) -> InputError:
    return InputError(
        f"{where} has no column {column!r}, only {', '.join(existing) or 'none'}; name one (text=...)"
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
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


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check it") from error
