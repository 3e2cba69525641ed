"""TopK with AuxK (Gao et al. 2024): the k largest pre-activations of a token, where positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.saes.topk_select import largest
from saesteer.training.forms.aux_loss import add_aux
from saesteer.training.forms.code import Pairs
from saesteer.training.forms.form import Form, Inference, Now, Step, plain_tensors
from saesteer.training.tensors import Tensors


@dataclass(frozen=True)
class OfK(Form):
    """Settings that the forms with k latents share."""

    k: int
    """Latents per token."""
    k_aux: int | None = None
    """Dead latents per token that learn the residual; None: d_in / 2."""
    aux_coefficient: float = 1 / 32
    """Weight of that loss; 0: none."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is 1 or more, got {self.k}")
        if not 0 <= self.aux_coefficient < float("inf"):
            raise InputError(f"aux_coefficient is 0 or more, got {self.aux_coefficient}")
        if self.k_aux is not None and self.k_aux < 1:
            raise InputError(f"k_aux is 1 or more, got {self.k_aux}; aux_coefficient 0 turns it off")

    def check(self, d_sae: int) -> None:
        if self.k > d_sae:
            raise InputError(f"k is {self.k} but d_sae is only {d_sae}; lower k")

    def add_aux(
        self,
        gradients: Tensors,
        p: Tensors,
        now: Now,
        h: Float[Tensor, "n d_sae"],
        centred: Float[Tensor, "n d_in"],
        residual: Float[Tensor, "n d_in"],
    ) -> Float[Tensor, ""]:
        """The auxiliary loss with these settings."""
        k_aux = self.k_aux or max(1, centred.shape[1] // 2)
        return add_aux(gradients, p, now, h, centred, residual, k_aux, self.aux_coefficient)


@final
@dataclass(frozen=True)
class TopK(OfK):
    """z = ReLU(h) for the k largest h of the token, else 0."""

    name: ClassVar[str] = "topk"

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc, centred, p.encoder.T)
        values, indices = largest(h, self.k)
        code = Pairs.of_rows(p.decoder, indices, values.relu())
        residual = centred - code.output
        fvu, slope, _ = now.error(-residual, x)
        to_h = code.back(slope) * (code.values > 0)
        b_enc = code.per_latent(to_h)
        gradients = Tensors(
            encoder=code.weighted(centred, to_h),
            b_enc=b_enc,
            decoder=code.weighted(slope, code.values),
            b_dec=-(b_enc @ p.encoder) + slope.sum(0),
        )
        aux = self.add_aux(gradients, p, now, h, centred, residual)
        return Step(gradients, fvu, aux, code.l0(), code.fired(), loss=fvu)

    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        return Inference("topk", plain_tensors(p, factor), self.k)
