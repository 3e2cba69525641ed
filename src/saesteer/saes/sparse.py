"""Sparse latents: per token a few indices and their values. Knows tensors only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SparseLatents:
    """The active latents of each token, padded to one width.

    An entry with value 0 is padding, whatever its index; no index stands twice with a value in one row. The
    order within a row has no meaning.
    """

    indices: Int[Tensor, "... k"]
    values: Float[Tensor, "... k"]
    d_sae: int

    def dense(self) -> Float[Tensor, "... d_sae"]:
        """All latents of each token, zeros included."""
        empty = self.values.new_zeros(*self.values.shape[:-1], self.d_sae)
        return empty.scatter_add(-1, self.indices, self.values)

    def l0(self) -> Int[Tensor, ...]:
        """Active latents per token."""
        return (self.values != 0).sum(-1)

    def at(self, ids: Int[Tensor, " n"]) -> Float[Tensor, "... n"]:
        """The values of the latents `ids`, 0 where inactive."""
        columns = [torch.where(self.indices == each, self.values, 0).sum(-1) for each in ids]
        return torch.stack(columns, -1) if columns else self.values[..., :0]


def active(z: Float[Tensor, "n d_sae"]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Indices and values of the positive latents (and NaN, to be seen), each row padded to the fullest."""
    rows, columns = (~(z <= 0)).nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(z))
    width = max(1, int(counts.max())) if len(z) else 1
    place = torch.arange(len(rows), device=z.device) - (counts.cumsum(0) - counts)[rows]
    indices = columns.new_zeros(len(z), width).index_put((rows, place), columns)
    values = z.new_zeros(len(z), width).index_put((rows, place), z[rows, columns])
    return indices, values


def stack_padded(parts: list[tuple[Tensor, Tensor]]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Indices and values of several chunks of tokens, padded to the widest."""
    width = max(indices.shape[1] for indices, _ in parts)
    padded = [[F.pad(each, (0, width - each.shape[1])) for each in part] for part in parts]
    return torch.cat([part[0] for part in padded]), torch.cat([part[1] for part in padded])
