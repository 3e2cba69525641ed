"""How well an SAE says activations again, and with how many latents. Knows no language model.

fvu, the fraction of variance unexplained: the sum of squared residuals over the sum of squared deviations
from the mean, both over all tokens and coordinates of the whole set, never a mean of ratios per token or per
batch. 0 is perfect, 1 is no better than always saying the mean, more than 1 is worse. The variance explained
is 1 - fvu.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes import SAE


@dataclass(frozen=True)
class SAEQuality:
    """An SAE on a set of activations."""

    fvu: float
    """Fraction of variance unexplained, over the whole set."""
    l0: float
    """Mean number of active latents per token."""
    dead: float
    """Fraction of latents that are active on no token of the set; it falls with the size of the set."""
    cosine: float
    """Mean cosine between activation and reconstruction."""
    tokens: int

    @property
    def explained(self) -> float:
        """Fraction of variance explained: 1 - fvu."""
        return 1 - self.fvu


def fvu(x: Float[Tensor, "... d"], xhat: Float[Tensor, "... d"]) -> float:
    """Fraction of variance unexplained of `xhat` for `x`, all tokens as one set."""
    if x.shape != xhat.shape:
        raise ShapeMismatch(
            f"x is {list(x.shape)} but xhat is {list(xhat.shape)}; give both of the same tokens"
        )
    rows, told = x.reshape(-1, x.shape[-1]).double(), xhat.reshape(-1, x.shape[-1]).double()
    return _ratio(float((rows - told).square().sum()), float((rows - rows.mean(0)).square().sum()))


@torch.no_grad()
def evaluate_sae(sae: SAE, batches: Iterable[Float[Tensor, "n d_in"]]) -> SAEQuality:
    """Measure over all batches as one set, holding one at a time; sums in float64."""
    count = active = 0
    residual = squares = cosine = 0.0
    shift: Tensor | None = None
    total = torch.zeros(sae.cfg.d_in, dtype=torch.float64, device=sae.W_dec.device)
    fired = torch.zeros(sae.cfg.d_sae, dtype=torch.bool, device=sae.W_dec.device)
    for batch in batches:
        x = batch.to(sae.W_dec.device, sae.W_dec.dtype)
        latents = sae.encode_sparse(x)
        xhat = sae.decode_sparse(latents, like=x)
        shift = (
            x.double().mean(0) if shift is None else shift
        )  # so that squares of near numbers are subtracted
        moved = x.double() - shift
        total += moved.sum(0)
        squares += float(moved.square().sum())
        residual += float((x.double() - xhat.double()).square().sum())
        cosine += float(torch.cosine_similarity(x, xhat, dim=-1).sum())
        active += int(latents.l0().sum())
        fired[latents.indices[latents.values > 0]] = True
        count += len(x)
    if not count:
        raise InputError("there are no activations to measure the SAE on; check their source")
    deviation = squares - float(total.square().sum()) / count
    dead = 1 - float(fired.double().mean())
    return SAEQuality(_ratio(residual, deviation), active / count, dead, cosine / count, count)


def _ratio(residual: float, deviation: float) -> float:
    if deviation > 0:
        return residual / deviation
    return 0.0 if residual == 0 else float("inf")
