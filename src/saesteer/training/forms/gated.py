"""Gated SAEs (Rajamanoharan et al. 2024, arXiv 2404.16014): the penalty shapes the gate alone, so that what
is found is not shrunk. The gate learns through an auxiliary reconstruction by a frozen decoder (equation 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.training.forms.code import code
from saesteer.training.forms.form import Form, Inference, Now, Step, plain_tensors, warmed
from saesteer.training.forms.relu import check_penalty
from saesteer.training.tensors import Tensors


@dataclass(frozen=True, eq=False)
class GatedTensors(Tensors):
    """b_enc is the gate's bias."""

    b_mag: Float[Tensor, " d_sae"]
    r_mag: Float[Tensor, " d_sae"]


@final
@dataclass(frozen=True)
class Gated(Form):
    """Loss: squared error + l1 sum of ReLU(gate) + squared error of ReLU(gate) through the frozen decoder."""

    name: ClassVar[str] = "gated"

    l1: float = 5.0
    """Coefficient of the L1 penalty on the gate, for activations of length sqrt(d_in)."""
    l1_warmup_share: float = 0.05
    """Share of the tokens over which it rises from 0."""

    def __post_init__(self) -> None:
        check_penalty("l1", self.l1, self.l1_warmup_share)

    def start(self, base: Tensors) -> GatedTensors:
        zeros = torch.zeros_like(base.b_enc)
        return GatedTensors(**base.named(), b_mag=zeros, r_mag=zeros.clone())

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        assert isinstance(p, GatedTensors)
        centred = x - p.b_dec
        gate = torch.addmm(p.b_enc, centred, p.encoder.T)
        scale = p.r_mag.exp()
        magnitude = ((gate - p.b_enc) * scale + p.b_mag).relu_()
        latents = code(p.decoder, magnitude, gate > 0)
        fvu, slope, total = now.error(latents.output - centred, x)
        open_gate = latents.pick(gate)
        told, aux_slope, _ = now.error(latents.decode(open_gate) - centred, x)
        weight = warmed(self.l1, now.done, self.l1_warmup_share) / total
        to_gate = latents.back(aux_slope) + latents.spread(weight.expand(len(p.b_enc)))
        to_magnitude = latents.back(slope) * (latents.values > 0)
        to_product = to_magnitude * latents.spread(scale)
        to_encoder = to_gate + to_product
        without_bias = open_gate - latents.spread(p.b_enc)
        gradients = GatedTensors(
            encoder=latents.weighted(centred, to_encoder),
            b_enc=latents.per_latent(to_gate),
            decoder=latents.weighted(slope, latents.values),
            b_dec=slope.sum(0) - latents.per_latent(to_encoder) @ p.encoder,
            b_mag=latents.per_latent(to_magnitude),
            r_mag=latents.per_latent(to_product * without_bias),
        )
        loss = fvu + told + self.l1 * open_gate.sum() / total
        return Step(gradients, fvu, fvu.new_zeros(()), latents.l0(), latents.fired(), loss)

    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        assert isinstance(p, GatedTensors)
        tensors = plain_tensors(p, factor)
        gate = {"b_gate": tensors.pop("b_enc"), "b_mag": p.b_mag / factor, "r_mag": p.r_mag}
        return Inference("gated", tensors | gate)
