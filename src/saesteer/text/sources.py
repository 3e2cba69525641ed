"""Documents from files and data sets, in order. Knows which reader a source asks for, no tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from saesteer.errors import InputError, UnknownName
from saesteer.text.document import Document, check_words
from saesteer.text.labelled import READERS, make_reader
from saesteer.text.tables import HUB, TABLES, Record, read_lines, read_records

_NAMED = re.compile(r"([a-z][a-z0-9_]+)(?:\[([^\]]*)\])?:(.+)", re.DOTALL)
_COLUMNS: Final = {"text": "text", "label": "label"}


def read_texts(
    source: str | Path, *, text: str = "text", label: str = "label", whole: bool = False
) -> Iterator[Document]:
    """The documents of a .txt (a line each, or `whole`), .jsonl, .json, .csv, .parquet, or hf:NAME:SPLIT.

    A data set has a reader of its form (READERS), with options: aegis:FILE, aegis[caution=safe]:FILE.

    `text` and `label` name columns; a missing label column is no error. An input that cannot be read raises
    InputError naming file and line; a source without documents raises too.
    """
    named = _named(str(source))
    if named is not None:
        return _some(_read_named(*named, {"text": text, "label": label}), str(source))
    path = Path(source)
    if path.suffix.lower() == ".txt" and not str(source).startswith(HUB):
        if not path.is_file():
            raise InputError(f"there is no file {path}; check the path")
        return _some(_read_txt(path, whole), str(path))
    if path.suffix.lower() not in TABLES and not str(source).startswith(HUB):
        kinds = ", ".join((".txt", *TABLES))
        raise InputError(f"{path} is of no known kind of texts; give {kinds} or hf:NAME")
    return _some((_document(each, text, label) for each in read_records(source)), str(source))


def read_text(path: Path) -> str:
    """A whole small file as text."""
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    return "".join(line for _, line in read_lines(path))


def _named(source: str) -> tuple[str, str, str] | None:
    """Reader, its options and what it reads; None where the source is a file or on the hub."""
    match = _NAMED.fullmatch(source)
    if match is None or source.startswith(HUB) or (match[1] not in READERS and Path(source).exists()):
        return None
    if match[1] not in READERS:
        raise UnknownName.of("reader of texts", match[1], READERS.names())
    return match[1], match[2] or "", match[3]


def _read_named(name: str, options: str, source: str, columns: dict[str, str]) -> Iterator[Document]:
    given = {key: value for key, value in columns.items() if value != _COLUMNS[key]}
    for each in filter(None, (part.strip() for part in options.split(","))):
        key, equals, value = each.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise InputError(f"options of {name} are NAME=VALUE with commas, got {each!r}; mend it")
        given[key.strip()] = value.strip()
    return make_reader(name, given).read(source)


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
    for number, line in read_lines(path):
        if line.strip():
            yield Document(line.rstrip("\r\n"), f"{path}:{number}")


def _document(record: Record, text: str, label: str) -> Document:
    found = check_words(record.get(text), repr(text), record.where)
    labelled = record.values.get(label)
    meta = {key: value for key, value in record.values.items() if key not in (text, label)}
    return Document(found, record.id, None if labelled is None else str(labelled), meta)
