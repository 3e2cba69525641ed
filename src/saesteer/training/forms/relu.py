"""The standard SAE: ReLU with an L1 penalty weighted by decoder norms (Anthropic, April 2024 update).

Decoder rows are free in length: what would be won by long rows and small latents is lost in the penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.training.forms.code import code
from saesteer.training.forms.form import Form, Inference, Now, Step, plain_tensors, warmed
from saesteer.training.tensors import Tensors


@final
@dataclass(frozen=True)
class ReLU(Form):
    """z = ReLU(h); loss: squared error + l1 sum of z times the decoder row's norm."""

    name: ClassVar[str] = "standard"
    unit_decoder: ClassVar[bool] = False

    l1: float = 5.0
    """Coefficient of the L1 penalty, for activations of length sqrt(d_in)."""
    l1_warmup_share: float = 0.05
    """Share of the tokens over which it rises from 0."""
    resample_tokens: int | None = None  # type: ignore[misc]
    """Tokens from one resampling of dead latents to the next, in the first half of the run; None: never."""

    def __post_init__(self) -> None:
        check_penalty("l1", self.l1, self.l1_warmup_share)
        if self.resample_tokens is not None and self.resample_tokens < 1:
            raise InputError(
                f"resample_tokens is 1 or more, got {self.resample_tokens}; leave it out for none"
            )

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc, centred, p.encoder.T)
        latents = code(p.decoder, h, h > 0)
        fvu, slope, total = now.error(latents.output - centred, x)
        norms = p.decoder.norm(dim=1)
        summed = latents.per_latent(latents.values)
        weight = warmed(self.l1, now.done, self.l1_warmup_share) / total
        to_h = latents.back(slope) + latents.spread(norms * weight)
        b_enc = latents.per_latent(to_h)
        by_length = (weight * summed / norms.clamp(min=torch.finfo(norms.dtype).tiny))[:, None]
        gradients = Tensors(
            encoder=latents.weighted(centred, to_h),
            b_enc=b_enc,
            decoder=latents.weighted(slope, latents.values) + by_length * p.decoder,
            b_dec=slope.sum(0) - b_enc @ p.encoder,
        )
        loss = fvu + self.l1 * (summed @ norms) / total
        return Step(gradients, fvu, fvu.new_zeros(()), latents.l0(), latents.fired(), loss)

    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        """With decoder rows of length 1: a latent then says how much it adds."""
        norms = p.decoder.norm(dim=1, keepdim=True)
        norms = torch.where(norms > 0, norms, 1.0)
        unit = Tensors(p.encoder * norms, p.b_enc * norms[:, 0], p.decoder / norms, p.b_dec)
        return Inference("standard", plain_tensors(unit, factor))


def check_penalty(name: str, coefficient: float, warmup_share: float) -> None:
    """Refuse a coefficient or a warm-up that cannot be."""
    if not 0 <= coefficient < float("inf"):
        raise InputError(f"{name} is 0 or more, got {coefficient}")
    if not 0 <= warmup_share <= 1:
        raise InputError(f"{name}_warmup_share is a share of the run, 0 to 1, got {warmup_share}")
