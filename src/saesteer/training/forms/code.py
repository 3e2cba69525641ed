"""The latents of a batch, decoded and differentiated: as pairs of token and latent where few are active, else
as a matrix. Both give the same numbers; no step needs to know which it holds.

As pairs, of the five products of a step only the encoder's forward one is dense; the others touch the active
rows alone. Measured by `python scripts/benchmark_sae.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.saes.sparse_decode import ByRow

_SPARSE: Final = 1 / 24  # share of active latents under which pairs are faster than matrices on a CPU


class Code(ABC):
    """Active entries of a [tokens, latents] matrix, and products with them. Entries: one number per place."""

    values: Tensor
    """Entries: the latents."""
    n_tokens: int

    @property
    @abstractmethod
    def output(self) -> Float[Tensor, "n d"]:
        """The values decoded, without a bias."""

    @abstractmethod
    def decode(self, entries: Tensor) -> Float[Tensor, "n d"]:
        """Other entries at the same places, decoded."""

    @abstractmethod
    def back(self, slope: Float[Tensor, "n d"]) -> Tensor:
        """Entries: the gradient by each, from that of what is decoded."""

    @abstractmethod
    def pick(self, matrix: Float[Tensor, "n d_sae"]) -> Tensor:
        """Entries of a matrix."""

    @abstractmethod
    def spread(self, per_latent: Float[Tensor, " d_sae"]) -> Tensor:
        """Entries that are the same at every token."""

    @abstractmethod
    def per_latent(self, entries: Tensor) -> Float[Tensor, " d_sae"]:
        """Sums over tokens."""

    @abstractmethod
    def weighted(self, rows: Float[Tensor, "n width"], entries: Tensor) -> Float[Tensor, "d_sae width"]:
        """Per latent the sum of the tokens' rows times the entries."""

    def l0(self) -> Float[Tensor, ""]:
        """Mean number of latents over 0 per token."""
        return (self.values > 0).sum() / self.n_tokens

    @abstractmethod
    def fired(self) -> Bool[Tensor, " d_sae"]:
        """Latents over 0 at some token."""


class Pairs(Code):
    """Places as pairs, ordered by token."""

    def __init__(
        self,
        decoder: Float[Tensor, "d_sae d"],
        tokens: Int[Tensor, " m"],
        latents: Int[Tensor, " m"],
        offsets: Int[Tensor, " n"],
        values: Float[Tensor, " m"],
    ) -> None:
        """`offsets`: where each token's pairs begin."""
        self.decoder, self.tokens, self.latents, self.offsets = decoder, tokens, latents, offsets
        self.n_tokens = len(offsets)
        # torch's own kernel for the gradient of the weights, and nothing else of it
        with torch.enable_grad():
            self._leaf = values.detach().requires_grad_()
            self._output = self._bag(self._leaf)
        self.values = self._leaf.detach()

    @classmethod
    def of_rows(
        cls,
        decoder: Float[Tensor, "d_sae d"],
        indices: Int[Tensor, "n k"],
        values: Float[Tensor, "n k"],
    ) -> Pairs:
        """k latents of every token."""
        n, k = indices.shape
        tokens = torch.arange(n, device=indices.device)
        return cls(decoder, tokens.repeat_interleave(k), indices.flatten(), tokens * k, values.flatten())

    @classmethod
    def at(
        cls,
        decoder: Float[Tensor, "d_sae d"],
        tokens: Int[Tensor, " m"],
        latents: Int[Tensor, " m"],
        values: Float[Tensor, " m"],
        n_tokens: int,
    ) -> Pairs:
        """Pairs ordered by token, any number of a token."""
        counts = torch.bincount(tokens, minlength=n_tokens)
        return cls(decoder, tokens, latents, counts.cumsum(0) - counts, values)

    @property
    def output(self) -> Float[Tensor, "n d"]:
        return self._output.detach()

    def decode(self, entries: Tensor) -> Float[Tensor, "n d"]:
        return self._bag(entries)

    def back(self, slope: Float[Tensor, "n d"]) -> Tensor:
        return torch.autograd.grad(self._output, self._leaf, slope, retain_graph=True)[0]

    def pick(self, matrix: Float[Tensor, "n d_sae"]) -> Tensor:
        return matrix[self.tokens, self.latents]

    def spread(self, per_latent: Float[Tensor, " d_sae"]) -> Tensor:
        return per_latent[self.latents]

    def per_latent(self, entries: Tensor) -> Float[Tensor, " d_sae"]:
        return entries.new_zeros(len(self.decoder)).index_add_(0, self.latents, entries)

    def weighted(self, rows: Float[Tensor, "n width"], entries: Tensor) -> Float[Tensor, "d_sae width"]:
        return self._by_latent.sums(rows, entries)

    def fired(self) -> Bool[Tensor, " d_sae"]:
        fired = torch.zeros(len(self.decoder), dtype=torch.bool, device=self.decoder.device)
        fired[self.latents[self.values > 0]] = True
        return fired

    def _bag(self, entries: Tensor) -> Float[Tensor, "n d"]:
        return F.embedding_bag(
            self.latents, self.decoder, self.offsets, per_sample_weights=entries, mode="sum"
        )

    @cached_property
    def _by_latent(self) -> ByRow:
        return ByRow(self.latents, self.tokens, len(self.decoder))


class Matrix(Code):
    """Places as a mask over a dense matrix."""

    def __init__(
        self,
        decoder: Float[Tensor, "d_sae d"],
        values: Float[Tensor, "n d_sae"],
        places: Bool[Tensor, "n d_sae"],
    ) -> None:
        self.decoder, self.places = decoder, places
        self.values = values * places
        self.n_tokens = len(values)

    @cached_property
    def output(self) -> Float[Tensor, "n d"]:  # type: ignore[override]
        return self.values @ self.decoder

    def decode(self, entries: Tensor) -> Float[Tensor, "n d"]:
        return entries @ self.decoder

    def back(self, slope: Float[Tensor, "n d"]) -> Tensor:
        return (slope @ self.decoder.T).mul_(self.places)

    def pick(self, matrix: Float[Tensor, "n d_sae"]) -> Tensor:
        return matrix * self.places

    def spread(self, per_latent: Float[Tensor, " d_sae"]) -> Tensor:
        return per_latent * self.places

    def per_latent(self, entries: Tensor) -> Float[Tensor, " d_sae"]:
        return entries.sum(0)

    def weighted(self, rows: Float[Tensor, "n width"], entries: Tensor) -> Float[Tensor, "d_sae width"]:
        return entries.T @ rows

    def fired(self) -> Bool[Tensor, " d_sae"]:
        return (self.values > 0).any(0)


def code(
    decoder: Float[Tensor, "d_sae d"], values: Float[Tensor, "n d_sae"], places: Bool[Tensor, "n d_sae"]
) -> Code:
    """The values at the places, in the form that is faster."""
    if int(places.sum()) > _SPARSE * places.numel():
        return Matrix(decoder, values, places)
    tokens, latents = places.nonzero(as_tuple=True)
    return Pairs.at(decoder, tokens, latents, values[tokens, latents], len(values))
