"""The k largest pre-activations from a cheaper product first: bfloat16 over all latents, float32 over a few.

Which latents may be among the k is proven, not guessed. For a token x and a latent with column w and bias b,
let x^, w^, b^ be their roundings to bfloat16 and c the product that bfloat16 units give. Four errors lie
between c and what the float32 product gives:

1. Rounding of the inputs. x.w - x^.w^ = (x - x^).w + x^.(w - w^), so by Cauchy and Schwarz at most
   |x - x^| |w| + |x^| |w - w^|, and |b - b^| for the bias. The differences are measured, not estimated.
2. Sums inside the units. In any order d sums of products in float32 err by at most (d + 8) GRAIN |x^| |w^|.
   GRAIN is 2^-22 where correct rounding has 2^-24, since units may cut off where they should round.
3. Rounding of the result, once after the product and once after the bias, by 2^-8 each: at most
   ROUND (|c| + |b^|) with ROUND = 1.02 / 128.
4. The float32 product's own error, at most FINE (d + 2) (|x| |w| + |b|) with FINE = 2^-23, in any order. This
   is the bound of float32 that is meant wherever values or gaps are said to be within it.

So the float32 pre-activation lies in [c - e, c + e], e being the sum (and something for numbers too small for
their format, which units may take for 0). Let L be the k-th largest c - e of any set of latents: k float32
values are L or more, so a latent with c + e < L is not among the k. Candidates are the others; they are
looked for in a list of the LIST k largest c. A latent outside has a c no larger than the least c of the list,
and c + ROUND |c| grows with c: where that, with the largest other errors of any latent, stays below L, no
candidate is missing. Elsewhere (and where a number is not finite, or the k-th largest is tied) the row falls
back to the full float32 product. So the index set is that of a float32 product except where a gap is within
twice its bound. Knows tensors only; whether all this pays is for others to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.saes.topk_select import largest

LIST: Final = 4  # the list of likely latents, in multiples of k
GRAIN: Final = 2.0**-22
ROUND: Final = 1.02 / 128
FINE: Final = 2.0**-23
_TINY: Final = 2.0**-120  # over any loss by numbers below 2^-126, per summand
_HUGE: Final = 2.0**100  # a product of norms up to which no sum overflows
Plain = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass
class Tally:
    """How many rows came through, and how many of them needed the full product after all."""

    rows: int = 0
    fell_back: int = 0

    @property
    def share(self) -> float:
        return self.fell_back / self.rows if self.rows else 0.0


class _Likely(NamedTuple):
    """Per row the latents with the largest c, and the bounds of their float32 values."""

    indices: Int[Tensor, "n m"]
    lower: Float[Tensor, "n m"]
    upper: Float[Tensor, "n m"]
    outside: Float[Tensor, " n"]
    """No latent that is not listed lies above this."""


class FirstPass:
    """An encoder prepared for both products; holds 1.5 times the memory of its float32 weights."""

    def __init__(self, weights: Float[Tensor, "d_in d_sae"], bias: Float[Tensor, " d_sae"]) -> None:
        self.tally = Tally()
        self._bias, self._columns = bias.detach(), weights.detach().T.contiguous()
        self._low, self._low_bias = weights.detach().bfloat16(), self._bias.bfloat16()
        norm, off = _norm(weights, 0), _norm(weights - self._low.float(), 0)
        d = len(weights)
        fine, tall = FINE * (d + 2), norm + off
        self._by_off = norm  # times |x - x^|
        self._by_norm = off + (GRAIN * (d + 8) + fine) * tall  # times |x^|, which |x| + |x - x^| bounds
        low, exact = self._low_bias.double(), self._bias.double()
        self._alone = (exact - low).abs() + ROUND * low.abs() + fine * exact.abs()
        self._tallest = float(tall.max())
        self._tiny = d * _TINY * (1 + self._tallest)

    def largest(
        self, x: Float[Tensor, "n d_in"], k: int, plain: Plain
    ) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
        """Values and indices as of `topk_select.largest`, for a k below d_sae; `plain`: for rows given."""
        likely = self.likely(x, k)
        edge = likely.lower.topk(k).values[:, -1:]
        candidates = likely.upper >= edge
        proven = (likely.outside < edge[:, 0]) & likely.upper.isfinite().all(-1)
        h = self._rescored(x, likely.indices, candidates & proven[:, None])
        best, place = h.topk(k + 1)
        proven &= best[:, k - 1] > best[:, k]
        values, indices = best[:, :k], likely.indices.gather(-1, place[:, :k])
        other = (~proven).nonzero()[:, 0]
        self.tally.rows += len(x)
        self.tally.fell_back += len(other)
        if len(other):
            values[other], indices[other] = plain(x[other])
        return values, indices

    def likely(self, x: Float[Tensor, "n d_in"], k: int) -> _Likely:
        """The latents with the largest cheap pre-activations and what is proven of the others."""
        low = x.bfloat16()
        cheap = torch.addmm(self._low_bias, low, self._low)
        c, indices = largest(cheap, min(LIST * k, cheap.shape[1]))
        off = _norm(x - low.float(), -1)[:, None]
        norm = _norm(x, -1)[:, None] + off
        around = off * self._by_off[indices] + norm * self._by_norm[indices] + self._alone[indices]
        others = off * self._by_off.max() + norm * self._by_norm.max() + self._alone.max()
        tiny = torch.where(norm * self._tallest < _HUGE, self._tiny * (1 + norm), torch.inf)
        c = c.double()
        error = around + tiny + ROUND * c.abs()
        least = c.amin(-1, keepdim=True)
        outside = least + ROUND * least.abs() + others + tiny
        return _Likely(indices, c - error, c + error, outside[:, 0])

    def _rescored(
        self, x: Float[Tensor, "n d_in"], indices: Int[Tensor, "n m"], wanted: Bool[Tensor, "n m"]
    ) -> Float[Tensor, "n m"]:
        """Float32 pre-activations where they are wanted, -inf elsewhere."""
        columns = indices[wanted]
        starts = torch.cat([wanted.new_zeros(1, dtype=torch.long), wanted.sum(-1).cumsum(0)])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            size = (len(x), len(self._columns))
            zeros = x.new_zeros(len(columns))
            pairs = torch.sparse_csr_tensor(starts, columns, zeros, size=size, check_invariants=False)
            products = torch.sparse.sampled_addmm(pairs, x, self._columns.T, beta=0.0).values()
        h = x.new_full(indices.shape, -torch.inf)
        h[wanted] = products + self._bias[columns]
        return h


def _norm(x: Tensor, dim: int) -> Float[Tensor, ...]:
    """In float64, whose own rounding is far below the slack of the bounds."""
    norm: Tensor = torch.linalg.vector_norm(x.detach(), dim=dim, dtype=torch.float64)
    return norm
