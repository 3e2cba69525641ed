"""The standard SAE: every positive pre-activation is a latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from saesteer.saes.sae import SAE
from saesteer.saes.sparse import active


@final
class ReLUSAE(SAE):
    """z = ReLU(h)."""

    def activate(self, h: Float[Tensor, "... d_sae"]) -> Float[Tensor, "... d_sae"]:
        return h.relu()

    def select(self, h: Float[Tensor, "n d_sae"]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        return active(h)

    def latent(
        self, x: Float[Tensor, "... d_in"], ids: Sequence[int] | Int[Tensor, " n"]
    ) -> Float[Tensor, "... n"]:
        columns = self._ids(ids)
        return (self.encoder_input(x) @ self.W_enc[:, columns] + self.b_enc[columns]).relu()
