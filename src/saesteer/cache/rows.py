"""Rows of tokens to be cached, group by group: of documents, or packed already. Knows a tokenizer, no SAE."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from jaxtyping import Int

from saesteer.errors import InputError
from saesteer.latents.labels import TEXTS
from saesteer.latents.reading import Reader, grouped
from saesteer.model import LanguageModel
from saesteer.runs import digest
from saesteer.text import Document, Row, read_texts

Documents = str | Path | Iterable[Document | str] | Int[np.ndarray, "rows length"] | None
_FIRST: Final = 64  # texts without end that stand for all of them
_PIECE: Final = 1 << 20  # tokens of a packed array that are hashed at once


@dataclass(frozen=True, eq=False)
class RowGroup:
    """Rows that are read together, one after the other in `ids`."""

    ids: Int[np.ndarray, " n"]
    lengths: Int[np.ndarray, " rows"]
    documents: Int[np.ndarray, " rows"]
    offsets: Int[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class Done:
    """What was read before: so many rows, tokens and documents, the last of which may go on."""

    rows: int = 0
    tokens: int = 0
    documents: int = 0


class Rows(Protocol):
    """Where rows come from; the same ones at each call."""

    special_ids: frozenset[int]

    def fingerprint(self) -> str:
        """Equal for equal rows."""

    def groups(self, done: Done, size: int) -> Iterator[RowGroup]:
        """Groups of about `size` tokens that follow what was read before."""

    def names(self, first: int, stop: int) -> list[dict[str, Any]]:
        """What is known of the documents `first` to `stop` - 1, which groups have shown; asked for once."""


class TextRows:
    """Each row a document, or a piece of a long one."""

    def __init__(self, reader: Reader, documents: Any, max_tokens: int | None) -> None:
        self.special_ids = reader.special
        self._reader, self._max = reader, max_tokens
        self._again = _repeatable(documents)
        self._fingerprint: Callable[[], str] | None = getattr(documents, "fingerprint", None)
        self._noted: dict[int, dict[str, Any]] = {}

    def fingerprint(self) -> str:
        """Of the texts; of as many as can matter, since each has a token at least."""
        if self._fingerprint is not None:
            return self._fingerprint()
        sha = sha256()
        most = None if self._max is None else min(self._max, sys.maxsize)
        for each in islice(self._again(), most):
            record = [each.text, each.id, each.label] if isinstance(each, Document) else [each]
            sha.update(digest(record).encode())
        return sha.hexdigest()

    def groups(self, done: Done, size: int) -> Iterator[RowGroup]:
        found = islice(self._reader.rows(self._noting(done.documents)), done.rows, None)
        some = _first(found, None if self._max is None else self._max - done.tokens)
        return map(_group, grouped(some, size, whole_documents=False))

    def names(self, first: int, stop: int) -> list[dict[str, Any]]:
        return [self._noted.pop(number) for number in range(first, stop)]

    def _noting(self, first: int) -> Iterator[Document | str]:
        self._noted.clear()
        for number, each in enumerate(self._again()):
            if number >= first:
                known = (each.id, each.label) if isinstance(each, Document) else (str(number), None)
                self._noted[number] = {"document": number, "id": known[0], "label": known[1]}
            yield each


class OwnTexts:
    """The held-out texts that come with a model, such as the world's; they have no end."""

    def __init__(self, lm: LanguageModel) -> None:
        if lm.name not in TEXTS:
            raise InputError(f"there are no texts for the model {lm.name!r}; give documents")
        self._documents = TEXTS.get(lm.name)().documents

    def __iter__(self) -> Iterator[Document | str]:
        return iter(self._documents)

    def fingerprint(self) -> str:
        """Of the first ones: they all come of one generator."""
        return digest([each.text if isinstance(each, Document) else each for each in islice(self, _FIRST)])


class PackedRows:
    """Rows of one length that were made elsewhere, as they are: each a document, no BOS put before it."""

    def __init__(
        self, ids: Int[np.ndarray, "rows length"], special_ids: frozenset[int], max_tokens: int | None
    ):
        if ids.ndim != 2 or not ids.size or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(
                f"packed tokens are whole numbers [rows, length], got {ids.dtype} {list(ids.shape)}; "
                "give texts, or an array of token ids"
            )
        self.special_ids = special_ids
        self._ids, self._max = ids, ids.size if max_tokens is None else min(max_tokens, ids.size)

    def fingerprint(self) -> str:
        sha = sha256(str(self._ids.shape).encode())
        step = max(1, _PIECE // self._ids.shape[1])
        for start in range(0, len(self._ids), step):
            sha.update(np.ascontiguousarray(self._ids[start : start + step], np.int64).data)
        return sha.hexdigest()

    def groups(self, done: Done, size: int) -> Iterator[RowGroup]:
        length = self._ids.shape[1]
        step = max(1, -(-size // length))
        ends = -(-self._max // length)
        for start in range(done.rows, ends, step):
            stop = min(start + step, ends)
            ids = self._ids[start:stop].reshape(-1)[: self._max - start * length].astype(np.int64)
            numbers = np.arange(start, stop)
            lengths = np.minimum(length, self._max - numbers * length)
            yield RowGroup(ids, lengths, numbers, np.zeros(len(numbers), np.int64))

    def names(self, first: int, stop: int) -> list[dict[str, Any]]:
        return [{"document": each, "id": f"row {each}", "label": None} for each in range(first, stop)]


def rows_of(
    lm: LanguageModel,
    documents: Documents,
    at: Sequence[str],
    context: int,
    batch_tokens: int,
    max_tokens: int | None,
) -> Rows:
    """Texts are read by the model's tokenizer, an array is taken as it is."""
    if max_tokens is not None and max_tokens < 1:
        raise InputError(f"one token at least is read, got max_tokens {max_tokens}")
    if documents is None:
        if max_tokens is None:
            raise InputError("the model's own texts have no end; say how many tokens to read (max_tokens)")
        documents = OwnTexts(lm)
    if isinstance(documents, np.ndarray):
        special = frozenset() if lm.tokenizer is None else frozenset(map(int, lm.tokenizer.all_special_ids))
        return PackedRows(documents, special, max_tokens)
    return TextRows(Reader.of(lm, list(dict.fromkeys(at)), context, batch_tokens), documents, max_tokens)


def _repeatable(documents: Any) -> Callable[[], Iterable[Document | str]]:
    if isinstance(documents, str | Path):
        return lambda: read_texts(documents)
    if isinstance(documents, Mapping) or iter(documents) is documents:
        raise InputError(
            "documents can be read only once; give a list or a path, so that a killed run can be resumed"
        )
    return lambda: documents


def _first(rows: Iterable[Row], tokens: int | None) -> Iterator[Row]:
    """Rows of so many tokens together, the last one cut."""
    for row in rows:
        if tokens is None:
            yield row
            continue
        if tokens > 0 and row.position[:tokens][-1] >= 0:  # a row of BOS alone says nothing
            yield Row(row.ids[:tokens], row.document[:tokens], row.position[:tokens])
        tokens -= len(row)
        if tokens <= 0:
            return


def _group(rows: Sequence[Row]) -> RowGroup:
    return RowGroup(
        np.concatenate([row.ids for row in rows]).astype(np.int64),
        np.array([len(row) for row in rows]),
        np.array([row.document[0] for row in rows]),
        np.array([row.position[-1] - len(row) + 1 + (row.position[0] < 0) for row in rows]),
    )
