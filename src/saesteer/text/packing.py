"""Documents to rows of tokens. Knows a tokenizer as a function and BOS as a number; no torch, no model.

Two kinds of rows: `windows` holds one document, or a piece of a long one, per row, so that no token sees
another document; `pack` fills rows to the last place with one document after the other, and `document` tells
them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from jaxtyping import Bool, Int

from saesteer.errors import InputError
from saesteer.text.document import Document

Tokenize = Callable[[list[str]], Sequence[Sequence[int]]]
"""Texts to token ids, without BOS."""

NOWHERE = -1  # the document and position of padding
_TEXTS = 256  # tokenized at once


@dataclass(frozen=True, eq=False)
class PackedTokens:
    """Rows of token ids, right-padded, and where each token came from."""

    ids: Int[np.ndarray, "n length"]
    document: Int[np.ndarray, "n length"]
    """The document's number in the stream, from 0; -1 where there is none."""
    position: Int[np.ndarray, "n length"]
    """Place of the token in its document, BOS not counted; -1 for BOS and padding."""
    mask: Bool[np.ndarray, "n length"]
    """False for padding."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Row:
    """One row, not padded: parallel lists of token ids, documents and positions."""

    ids: list[int]
    document: list[int]
    position: list[int]

    def __len__(self) -> int:
        return len(self.ids)


def pack(
    documents: Iterable[Document | str], tokenize: Tokenize, length: int, bos: int | None = None, pad: int = 0
) -> PackedTokens:
    """All documents in rows of `length`, only the last one padded; see `packed_rows` for endless streams."""
    return stack(packed_rows(documents, tokenize, length, bos), length, pad)


def packed_rows(
    documents: Iterable[Document | str], tokenize: Tokenize, length: int, bos: int | None = None
) -> Iterator[Row]:
    """Rows of `length`, filled with documents, BOS before each; they may go on in the next row."""
    _check_length(length, bos)
    tokens = chain.from_iterable(
        zip(*_with_bos(ids, number, bos), strict=True) for number, ids in _tokenized(documents, tokenize)
    )
    while piece := list(islice(tokens, length)):
        ids, document, position = zip(*piece, strict=True)
        yield Row(list(ids), list(document), list(position))


def windows(
    documents: Iterable[Document | str], tokenize: Tokenize, length: int, bos: int | None = None
) -> Iterator[Row]:
    """One row per document; a long one becomes several of at most `length`, BOS before each."""
    _check_length(length, bos)
    step = length - (bos is not None)
    for number, ids in _tokenized(documents, tokenize):
        for start in range(0, len(ids), step):
            yield Row(*_with_bos(ids[start : start + step], number, bos, start))


def stack(rows: Iterable[Row], length: int | None = None, pad: int = 0) -> PackedTokens:
    """Rows as arrays, padded on the right to `length` or to the longest."""
    found = list(rows)
    width = max(map(len, found), default=0) if length is None else length
    ids = np.full((len(found), width), pad, dtype=np.int64)
    document, position = (np.full(ids.shape, NOWHERE, dtype=np.int64) for _ in range(2))
    for number, row in enumerate(found):
        ids[number, : len(row)] = row.ids
        document[number, : len(row)] = row.document
        position[number, : len(row)] = row.position
    mask = np.arange(width) < np.array([len(row) for row in found], dtype=np.int64).reshape(-1, 1)
    return PackedTokens(ids, document, position, mask)


def _tokenized(
    documents: Iterable[Document | str], tokenize: Tokenize
) -> Iterator[tuple[int, Sequence[int]]]:
    """Numbered token ids; InputError for a document without any."""
    stream = iter(documents)
    number = 0
    while some := list(islice(stream, _TEXTS)):
        texts = [each.text if isinstance(each, Document) else each for each in some]
        for each, ids in zip(some, tokenize(texts), strict=True):
            if not len(ids):
                name = each.id if isinstance(each, Document) else f"document {number + 1}"
                raise InputError(f"{name} has no tokens; remove it")
            yield number, ids
            number += 1


def _with_bos(
    ids: Sequence[int], number: int, bos: int | None, start: int = 0
) -> tuple[list[int], list[int], list[int]]:
    head = [] if bos is None else [bos]
    places = range(start, start + len(ids))
    return head + list(ids), [number] * (len(head) + len(ids)), [NOWHERE] * len(head) + list(places)


def _check_length(length: int, bos: int | None) -> None:
    least = 1 + (bos is not None)
    if length < least:
        raise InputError(f"a row holds {least} tokens or more, got length {length}; raise it")
