"""The JumpReLU SAE (Rajamanoharan et al. 2024): what is over its latent's threshold counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from saesteer.saes.sae import SAE
from saesteer.saes.sparse import active


@final
class JumpReLUSAE(SAE):
    """z = ReLU(h) where h > threshold, else 0."""

    shapes = {**SAE.shapes, "threshold": lambda cfg: (cfg.d_sae,)}  # noqa: RUF012
    threshold: Float[Tensor, " d_sae"]

    def activate(self, h: Float[Tensor, "... d_sae"]) -> Float[Tensor, "... d_sae"]:
        return h.relu() * (h > self.threshold)

    def select(self, h: Float[Tensor, "n d_sae"]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        return active(self.activate(h))

    def latent(
        self, x: Float[Tensor, "... d_in"], ids: Sequence[int] | Int[Tensor, " n"]
    ) -> Float[Tensor, "... n"]:
        columns = self._ids(ids)
        h = self.encoder_input(x) @ self.W_enc[:, columns] + self.b_enc[columns]
        return h.relu() * (h > self.threshold[columns])
