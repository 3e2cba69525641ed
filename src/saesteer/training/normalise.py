"""Tokens normalised one by one, as SCAR's SAEs see them (arXiv 2411.07122)."""

from __future__ import annotations

from typing import Final

from jaxtyping import Float
from torch import Tensor

_EPS: Final = 1e-5  # added to the deviation on the way in, not on the way out


def layer_norm(x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n 1"]]:
    """Each token by its own mean and deviation, and the latter's square: what a squared error weighs in x."""
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().sum(-1, keepdim=True) / (x.shape[1] - 1)
    return centred / (variance.sqrt() + _EPS), variance
