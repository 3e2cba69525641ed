"""The tensors that are trained. Encoder and decoder both hold one row per latent, so that sums over a few
latents touch a few rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tensors:
    """What every form trains (or its gradients); a form with more has a subclass."""

    encoder: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, " d_sae"]
    decoder: Float[Tensor, "d_sae d_in"]
    b_dec: Float[Tensor, " d_in"]

    def named(self) -> dict[str, Tensor]:
        """Name to tensor, in a fixed order."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
