"""Sparse latents of the tokens of texts, and pooled per text. Knows arrays, no model and no SAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from saesteer.errors import InputError
from saesteer.latents.reading import Places

Pool = Literal["max", "mean"]
_BLOCK = 1 << 22  # numbers of a dense block in pooling


@dataclass(frozen=True, eq=False)
class LatentRows:
    """One row per token: the active latents and their values, and where the token stands.

    Row i holds `indices[indptr[i]:indptr[i + 1]]` and the `values` there. Tokens are in the texts' order.
    """

    indptr: Int[np.ndarray, " n1"]
    indices: Int[np.ndarray, " nnz"]
    values: Float[np.ndarray, " nnz"]
    d_sae: int
    n_documents: int
    places: Places
    strings: Mapping[int, str]
    """Token id -> text."""
    hookpoint: str

    def __len__(self) -> int:
        return len(self.places)

    @property
    def content(self) -> Bool[np.ndarray, " n"]:
        """Tokens that enter statistics: neither BOS nor special."""
        return ~self.places.special

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """[tokens, d_sae], all tokens."""
        shape = (len(self), self.d_sae)
        return sparse.csr_array((self.values, self.indices, self.indptr), shape=shape)

    @cached_property
    def columns(self) -> sparse.csc_array:
        """[tokens, d_sae] by latent, all tokens; made once."""
        return self.matrix.tocsc()

    def latent(self, latent: int) -> Float[np.ndarray, " n"]:
        """The activation of one latent at every token."""
        if not 0 <= latent < self.d_sae:
            raise InputError(f"latents are 0 to {self.d_sae - 1}, got {latent}; check the number")
        column = self.columns
        part = slice(column.indptr[latent], column.indptr[latent + 1])
        dense = np.zeros(len(self), dtype=self.values.dtype)
        dense[column.indices[part]] = column.data[part]
        return dense

    def density(self) -> Float[np.ndarray, " d_sae"]:
        """Per latent the share of content tokens at which it is active."""
        entries = np.repeat(self.content, np.diff(self.indptr))
        counts = np.bincount(self.indices[entries], minlength=self.d_sae)
        return counts / max(1, int(self.content.sum()))

    def pool(self, how: Pool = "max") -> sparse.csr_array:
        """[documents, d_sae]: the largest or the mean activation over a document's content tokens."""
        if how not in get_args(Pool):
            raise InputError(f"pool is one of {', '.join(get_args(Pool))}, got {how!r}")
        entries = np.repeat(self.content, np.diff(self.indptr))
        document = np.repeat(self.places.document, np.diff(self.indptr))[entries]
        latent, value = self.indices[entries], self.values[entries].astype(np.float64)
        shape = (self.n_documents, self.d_sae)
        counts = np.bincount(self.places.document[self.content], minlength=self.n_documents)
        if how == "max":
            return _largest(document, latent, value, counts, shape)
        summed = sparse.coo_array((value / counts[document], (document, latent)), shape=shape)
        return summed.tocsr()

    @classmethod
    def join(cls, parts: Sequence[LatentRows]) -> LatentRows:
        """The rows of several captures of consecutive documents, one after the other."""
        starts = np.cumsum([0, *(len(part.indices) for part in parts)])
        ends = [part.indptr[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return cls(
            np.concatenate([np.zeros(1, dtype=np.int64), *ends]),
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.values for part in parts]),
            parts[0].d_sae,
            max(part.n_documents for part in parts),
            Places.join([part.places for part in parts]),
            {each: text for part in parts for each, text in part.strings.items()},
            parts[0].hookpoint,
        )


def _largest(
    document: Int[np.ndarray, " nnz"],
    latent: Int[np.ndarray, " nnz"],
    value: Float[np.ndarray, " nnz"],
    tokens: Int[np.ndarray, " documents"],
    shape: tuple[int, int],
) -> sparse.csr_array:
    """The largest value per document and latent, a few documents at a time; entries come by document.

    It is under 0 only where the latent is so at each of the document's `tokens`.
    """
    step = max(1, _BLOCK // shape[1])
    signed = bool((value < 0).any())
    parts = []
    for start in range(0, shape[0], step):
        rows = min(step, shape[0] - start)
        part = slice(*np.searchsorted(document, [start, start + rows]))
        places = (document[part] - start) * shape[1] + latent[part]
        dense = np.full(rows * shape[1], -np.inf if signed else 0.0)
        np.maximum.at(dense, places, value[part])
        if signed:
            everywhere = np.bincount(places, minlength=len(dense)) == tokens[start : start + rows].repeat(
                shape[1]
            )
            dense = np.where(everywhere & np.isfinite(dense), dense, dense.clip(min=0.0))
        parts.append(sparse.csr_array(dense.reshape(rows, shape[1])))
    return sparse.csr_array(sparse.vstack(parts)) if parts else sparse.csr_array(shape)
