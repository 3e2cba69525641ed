"""A cache of latents as it is read: tokens once, and for each SAE its active entries latent by latent.

Knows arrays, in memory or mapped from files; no model, no SAE, no text source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from saesteer.cache.no_tokens import NoTokens
from saesteer.errors import InputError, UnknownName
from saesteer.names import resolve


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The tokens that were read, in the order of the documents, and the rows in which they were read.

    A row is what went through the model at once: one document, or a piece of a long one. Token i of the cache
    is `ids[i]`; row r holds the tokens `starts[r]` to `starts[r + 1]`, BOS and special tokens among them.
    """

    ids: Int[np.ndarray, " n"]
    """NoTokens where nobody handed them in: every read of it is an InputError that says how to."""
    starts: Int[np.ndarray, " rows1"]
    documents: Int[np.ndarray, " rows"]
    """The document of each row, its number in the source."""
    offsets: Int[np.ndarray, " rows"]
    """Place of the row's first content token in its document, BOS not counted."""
    special_ids: frozenset[int]
    """BOS, padding and other special tokens: they keep their place, and no latent has an entry there."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known(self) -> bool:
        """Whether there are token ids, and so texts."""
        return not isinstance(self.ids, NoTokens)

    def row_of(self, tokens: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """The row in which each token stands."""
        return np.searchsorted(self.starts, tokens, side="right") - 1

    def content(self, start: int, stop: int) -> Bool[np.ndarray, " m"]:
        """Which tokens of a stretch are content; without ids, all."""
        if not self.known:
            return np.ones(len(range(len(self))[start:stop]), dtype=bool)
        return ~np.isin(self.ids[start:stop], np.fromiter(self.special_ids, np.int64))


@dataclass(frozen=True, eq=False)
class Entries:
    """One latent: where it is active, ascending, and how much."""

    tokens: Int[np.ndarray, " m"]
    """Numbers of tokens in the TokenTable."""
    values: Float[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per latent, over content tokens, kept while caching; before any filter."""

    count: Int[np.ndarray, " d_sae"]
    """Tokens at which it is active."""
    sum: Float[np.ndarray, " d_sae"]
    squares: Float[np.ndarray, " d_sae"]
    """Sum of squares."""
    max: Float[np.ndarray, " d_sae"]
    rows: Int[np.ndarray, " d_sae"]
    """Rows in which it is active."""
    histogram: Int[np.ndarray, "d_sae bins"]
    edges: Float[np.ndarray, " bins1"]
    """Of the histogram, the same for all latents: powers of two; what lies outside counts at the ends."""
    tokens: int
    """Content tokens that were read."""

    @property
    def density(self) -> Float[np.ndarray, " d_sae"]:
        """Share of content tokens at which each latent is active."""
        return self.count / max(1, self.tokens)


@dataclass(frozen=True, eq=False)
class LatentTable:
    """The active entries of one SAE, latent by latent (a CSR matrix [d_sae, tokens])."""

    name: str
    """What the cache calls this SAE: its hookpoint, unless another name was given."""
    hookpoint: str
    indptr: Int[np.ndarray, " d_sae1"]
    tokens: Int[np.ndarray, " nnz"]
    values: Float[np.ndarray, " nnz"]
    statistics: Statistics
    about: Mapping[str, Any] = field(default_factory=dict)
    """Fingerprint, source and shape of the SAE; filters."""
    single: Bool[np.ndarray, " d_sae"] | None = None
    """Whether the stronger half of a latent's entries is at one token id; None: not kept, overview counts."""

    @property
    def d_sae(self) -> int:
        return len(self.indptr) - 1

    def latent(self, latent: int) -> Entries:
        """One slice of the files."""
        if not 0 <= latent < self.d_sae:
            raise InputError(f"latents of {self.name} are 0 to {self.d_sae - 1}, got {latent}")
        part = slice(int(self.indptr[latent]), int(self.indptr[latent + 1]))
        return Entries(self.tokens[part].astype(np.int64), self.values[part].astype(np.float32))

    @cached_property
    def kept(self) -> Int[np.ndarray, " n"]:
        """The latents that have any entry here."""
        return np.flatnonzero(np.diff(self.indptr))


@dataclass(frozen=True, eq=False)
class LatentCache:
    """Tokens, and the latents of one SAE or several at them."""

    tokens: TokenTable
    tables: Mapping[str, LatentTable]
    strings: tuple[str, ...]
    """Token id -> its text, with the space before a word where it has one; every id of the model."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Model, source of the texts, settings."""

    def __getitem__(self, name: str) -> LatentTable:
        if name not in self.tables:
            raise UnknownName.of("SAE of the cache", name, list(self.tables))
        return self.tables[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.tables)

    @classmethod
    def open(cls, folder: str | Path, check: str = "lazy") -> LatentCache:
        """A finished cache; `check`: "lazy", "all" or "none", see saesteer.cache.opening."""
        found: LatentCache = resolve("saesteer.cache.opening:open_cache")(folder, check)
        return found

    def save(self, root: str | Path) -> LatentCache:
        """The same cache in a folder of its own below `root`, see saesteer.cache.saving."""
        found: LatentCache = resolve("saesteer.cache.saving:save_cache")(self, root)
        return found
