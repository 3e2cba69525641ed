"""Texts through a model: rows of tokens, microbatches of like length, activations with where each came from.

Knows the model's door, not its inside; no SAE. Memory is bounded by a group of rows and one microbatch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.errors import InputError, SaesteerError
from saesteer.model import LanguageModel, Tokens
from saesteer.text import Document, Row, stack, windows
from saesteer.text.packing import NOWHERE

SKIPPABLE = ("bos", "special")
_LONGEST = 1024  # tokens of a row where the model would take more


@dataclass(frozen=True, eq=False)
class Places:
    """Where tokens came from; parallel arrays."""

    ids: Int[np.ndarray, " n"]
    document: Int[np.ndarray, " n"]
    """The document's number in the stream, from 0."""
    position: Int[np.ndarray, " n"]
    """Place of the token in its document, BOS not counted; -1 for BOS."""
    special: Bool[np.ndarray, " n"]
    """BOS and the tokenizer's other special tokens; they enter no statistics."""

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, skip: Collection[str]) -> Bool[np.ndarray, " n"]:
        """Which tokens remain where those named in `skip` (of SKIPPABLE) go."""
        unknown = sorted(set(skip) - set(SKIPPABLE))
        if isinstance(skip, str) or unknown:
            raise InputError(f"skip is a list of {', '.join(SKIPPABLE)}, got {skip!r}; mend it")
        bos = self.position == NOWHERE
        keep = np.ones(len(self), dtype=bool)
        if "bos" in skip:
            keep &= ~bos
        if "special" in skip:
            keep &= ~self.special | bos
        return keep

    def take(self, which: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> Places:
        """Some of them."""
        return Places(self.ids[which], self.document[which], self.position[which], self.special[which])

    @classmethod
    def join(cls, parts: Sequence[Places]) -> Places:
        """All of them, one after the other."""
        fields = ("ids", "document", "position", "special")
        return cls(*(np.concatenate([getattr(part, each) for part in parts]) for each in fields))


@dataclass(frozen=True, eq=False)
class Block:
    """The activations of one microbatch, padding left out."""

    activations: dict[str, Float[Tensor, "n d"]]
    places: Places
    order: Int[np.ndarray, " n"]
    """Ascending in the order of the group's rows, so that sorting by it undoes the sorting by length."""


@dataclass(frozen=True, eq=False)
class Microbatch:
    """Rows that go through the model together, and where their tokens come from; not yet computed."""

    reader: Reader
    tokens: Tokens
    places: Places
    order: Int[np.ndarray, " n"]
    """As in Block."""

    def read(self) -> dict[str, Float[Tensor, "n d"]]:
        """The activations, padding left out; computed anew at each call."""
        at = self.reader.at
        with torch.no_grad():
            read = self.reader.lm.record(self.tokens, at=list(at))
            activations = {each: read[each][self.tokens.mask.to(read[each].device)] for each in at}
        for each, x in activations.items():
            if not bool(x.isfinite().all()):
                raise SaesteerError(
                    f"the activations at {each} hold NaN or infinity; load the model in float32"
                )
        return activations


@dataclass(frozen=True, eq=False)
class Reader:
    """How texts go through a model."""

    lm: LanguageModel
    at: tuple[str, ...]
    """Canonical hookpoints."""
    context: int
    """Tokens of the longest row; longer documents become several rows."""
    batch_tokens: int
    """Tokens of a microbatch, padding counted."""
    bos: int | None
    special: frozenset[int]

    @classmethod
    def of(
        cls, lm: LanguageModel, at: str | Sequence[str], context: int | None = None, batch_tokens: int = 4096
    ) -> Reader:
        """`context` None: what the model takes, 1,024 at most."""
        addresses = tuple(lm.hookpoint(each) for each in ([at] if isinstance(at, str) else at))
        if not addresses or len(set(addresses)) < len(addresses):
            raise InputError(f"give one or more different hookpoints, got {list(at)}")
        if batch_tokens < 1:
            raise InputError(f"a microbatch holds one token or more, got batch_tokens {batch_tokens}")
        if lm.tokenizer is None:
            raise InputError("this model has no tokenizer, so it reads no texts; load it with one")
        special = frozenset(int(each) for each in lm.tokenizer.all_special_ids)
        return cls(lm, addresses, _context(lm, context), batch_tokens, lm.tokenizer.bos_token_id, special)

    def rows(self, documents: Iterable[Document | str]) -> Iterator[Row]:
        """One document, or a piece of a long one, per row."""
        return windows(documents, self._tokenize, self.context, self.bos)

    def blocks(self, group: Sequence[Row]) -> Iterator[Block]:
        """Activations of rows that go through the model in microbatches of like length."""
        for each in self.microbatches(group):
            yield Block(each.read(), each.places, each.order)

    def microbatches(self, group: Sequence[Row]) -> Iterator[Microbatch]:
        """The same before it is computed."""
        by_length = sorted(range(len(group)), key=lambda i: len(group[i]))
        for some in _batched(by_length, [len(row) for row in group], self.batch_tokens):
            yield self._microbatch([group[i] for i in some], np.array(some))

    def _microbatch(self, rows: Sequence[Row], number: Int[np.ndarray, " rows"]) -> Microbatch:
        packed = stack(rows, pad=self.lm.tokenizer.pad_token_id or 0)
        ids = packed.ids[packed.mask]
        position = packed.position[packed.mask]
        special = np.isin(ids, np.fromiter(self.special, np.int64))
        places = Places(ids, packed.document[packed.mask], position, special)
        order = (number[:, None] * self.context + np.arange(packed.ids.shape[1]))[packed.mask]
        tokens = Tokens(torch.from_numpy(packed.ids), torch.from_numpy(packed.mask))
        return Microbatch(self, tokens, places, order)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        """Without BOS, also where a text spells it out."""
        tokens = self.lm.tokenize(texts, bos=False)
        rows = zip(tokens.ids.cpu(), tokens.mask.cpu(), strict=True)
        found = [ids[mask].tolist() for ids, mask in rows]
        return [ids[1:] if ids[0] == self.bos else ids for ids in found]


def grouped(rows: Iterable[Row], tokens: int, whole_documents: bool) -> Iterator[list[Row]]:
    """Rows in groups of at least `tokens` tokens, the last one aside; a document in one group where asked."""
    group: list[Row] = []
    size = 0
    for row in rows:
        goes_on = whole_documents and bool(group) and row.document[0] == group[-1].document[0]
        if size >= tokens and not goes_on:
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row)
    if group:
        yield group


def token_strings(lm: LanguageModel, ids: Iterable[int]) -> dict[int, str]:
    """Token id -> its text, with the space before a word where it has one."""
    found: dict[int, str] = {}
    for each in map(int, ids):
        piece = lm.tokenizer.convert_ids_to_tokens(each)
        if piece is None:  # the embedding may have more rows than the tokenizer has tokens
            found[each] = f"[{each}]"
        elif piece.startswith("\u2581"):
            found[each] = piece.replace("\u2581", " ")
        else:
            found[each] = lm.tokenizer.decode([each]) or piece
    return found


def _batched(order: Sequence[int], lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Runs of `order`, in ascending length, whose padded size stays within `tokens`; one row at least."""
    some: list[int] = []
    for i in order:
        if some and lengths[i] * (len(some) + 1) > tokens:
            yield some
            some = []
        some.append(i)
    if some:
        yield some


def _context(lm: LanguageModel, context: int | None) -> int:
    limit = lm.max_positions
    if context is None:
        return _LONGEST if limit is None else min(limit, _LONGEST)
    if context < 2 or (limit is not None and context > limit):
        raise InputError(f"the model takes rows of 2 to {limit or 'many'} tokens, got context {context}")
    return context
