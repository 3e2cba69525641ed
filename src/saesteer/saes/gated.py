"""The gated SAE (Rajamanoharan et al. 2024, arXiv 2404.16014): one path says whether, one says how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError
from saesteer.saes.sae import SAE
from saesteer.saes.sparse import SparseLatents, active


@final
class GatedSAE(SAE):
    """With the gate h = x' W_enc + b_gate: z = ReLU((h - b_gate) exp(r_mag) + b_mag) where h > 0, else 0.

    Both paths share W_enc, so the gate alone is the pre-activation.
    """

    shapes = {  # noqa: RUF012
        **{name: shape for name, shape in SAE.shapes.items() if name != "b_enc"},
        "b_gate": lambda cfg: (cfg.d_sae,),
        "b_mag": lambda cfg: (cfg.d_sae,),
        "r_mag": lambda cfg: (cfg.d_sae,),
    }
    b_gate: Float[Tensor, " d_sae"]
    b_mag: Float[Tensor, " d_sae"]
    r_mag: Float[Tensor, " d_sae"]

    @property
    def offset(self) -> Float[Tensor, " d_sae"]:
        """The gate's, so that the pre-activation is the gate: a latent is active where it is over 0."""
        return self.b_gate

    def activate(self, h: Float[Tensor, "... d_sae"]) -> Float[Tensor, "... d_sae"]:
        return _gated(h, self.b_gate, self.b_mag, self.r_mag)

    def select(self, h: Float[Tensor, "n d_sae"]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        return active(self.activate(h))

    def encode_reweighted(
        self, x: Float[Tensor, "... d_in"], scores: Float[Tensor, " d_sae"], swap: bool = False
    ) -> tuple[SparseLatents, SparseLatents]:
        raise InputError(
            "a gated SAE cannot be reweighted: its pre-activation is a gate, which says whether a latent "
            "is on and not how much; use scale_latents, or an SAE of another architecture"
        )

    def latent(
        self, x: Float[Tensor, "... d_in"], ids: Sequence[int] | Int[Tensor, " n"]
    ) -> Float[Tensor, "... n"]:
        columns = self._ids(ids)
        h = self.encoder_input(x) @ self.W_enc[:, columns] + self.b_gate[columns]
        return _gated(h, self.b_gate[columns], self.b_mag[columns], self.r_mag[columns])


def _gated(
    h: Float[Tensor, "... n"],
    b_gate: Float[Tensor, " n"],
    b_mag: Float[Tensor, " n"],
    r_mag: Float[Tensor, " n"],
) -> Float[Tensor, "... n"]:
    """The magnitude where the gate is open; NaN stays NaN, to be seen."""
    magnitude = ((h - b_gate) * r_mag.exp() + b_mag).relu()
    return magnitude * (h > 0)
