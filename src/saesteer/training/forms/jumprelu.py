"""JumpReLU with straight-through gradients (Rajamanoharan et al. 2024, arXiv 2407.14435).

A jump has no useful gradient, so a threshold learns from pre-activations within half a bandwidth of it, as
if the jump were a ramp there (equations 11 and 12). Penalties: L0 as in that paper, or tanh with a penalty on
the pre-activations of dead latents (Anthropic, January 2025 update).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.training.forms.code import Code, code
from saesteer.training.forms.form import Form, Inference, Now, Step, plain_tensors, warmed
from saesteer.training.forms.relu import check_penalty
from saesteer.training.tensors import Tensors

PENALTIES: Final = ("l0", "tanh")


@dataclass(frozen=True, eq=False)
class JumpReLUTensors(Tensors):
    """Thresholds are trained by their logarithm, so they stay over 0."""

    log_threshold: Float[Tensor, " d_sae"]


@final
@dataclass(frozen=True)
class JumpReLU(Form):
    """z = h where h > threshold, else 0; loss: squared error + sparsity sum of L0 or of tanh(steepness z)."""

    name: ClassVar[str] = "jumprelu"

    sparsity: float = 0.5
    """Coefficient of the penalty, for activations of length sqrt(d_in)."""
    sparsity_warmup_share: float = 0.2
    """Share of the tokens over which it rises from 0."""
    penalty: str = "l0"
    """One of PENALTIES."""
    steepness: float = 4.0
    """tanh only: how fast it saturates."""
    bandwidth: float = 0.5
    """Width of the window around a threshold from which it learns, for activations of length sqrt(d_in)."""
    threshold: float = 0.1
    """All thresholds at the start, in the same units."""
    dead_coefficient: float = 1e-3
    """Coefficient of how far the pre-activations of dead latents lie under their thresholds; 0: none."""

    def __post_init__(self) -> None:
        check_penalty("sparsity", self.sparsity, self.sparsity_warmup_share)
        if self.penalty not in PENALTIES:
            raise InputError(f"penalty is one of {', '.join(PENALTIES)}, got {self.penalty!r}")
        for name in ("steepness", "bandwidth", "threshold"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is over 0, got {getattr(self, name)}")
        if not 0 <= self.dead_coefficient < math.inf:
            raise InputError(f"dead_coefficient is 0 or more, got {self.dead_coefficient}")

    def start(self, base: Tensors) -> JumpReLUTensors:
        thresholds = torch.full_like(base.b_enc, math.log(self.threshold))
        return JumpReLUTensors(**base.named(), log_threshold=thresholds)

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        assert isinstance(p, JumpReLUTensors)
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc, centred, p.encoder.T)
        threshold = p.log_threshold.exp()
        over = h > threshold
        near = (h - threshold).abs_() < self.bandwidth / 2  # K of the paper: a rectangle
        latents = code(p.decoder, h * over, over | near)
        fvu, slope, total = now.error(latents.output - centred, x)
        weight = warmed(self.sparsity, now.done, self.sparsity_warmup_share) / total
        to_z = latents.back(slope)
        if self.penalty == "tanh":
            to_z = to_z + weight * self.steepness / (self.steepness * latents.values).cosh().square()
        to_h = to_z * (latents.values > 0)
        b_enc = latents.per_latent(to_h)
        gradients = JumpReLUTensors(
            encoder=latents.weighted(centred, to_h),
            b_enc=b_enc,
            decoder=latents.weighted(slope, latents.values),
            b_dec=slope.sum(0) - b_enc @ p.encoder,
            log_threshold=self._to_log_threshold(latents, near, to_z, threshold, weight),
        )
        pressed = self._press_dead(gradients, p, now, h, centred, threshold, total)
        loss = fvu + self.sparsity * self._sparsity(latents) / total + pressed
        return Step(gradients, fvu, fvu.new_zeros(()), latents.l0(), latents.fired(), loss)

    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        assert isinstance(p, JumpReLUTensors)
        threshold = p.log_threshold.exp() / factor
        return Inference("jumprelu", plain_tensors(p, factor) | {"threshold": threshold})

    def _to_log_threshold(
        self,
        latents: Code,
        near: Tensor,
        to_z: Tensor,
        threshold: Float[Tensor, " d_sae"],
        weight: Float[Tensor, ""],
    ) -> Float[Tensor, " d_sae"]:
        """By the ramp that stands for the jump: of z, and with the L0 penalty of the count too."""
        by_threshold = to_z * latents.spread(threshold)
        if self.penalty == "l0":
            by_threshold = by_threshold + weight
        summed = latents.per_latent(by_threshold * latents.pick(near))
        return -threshold / self.bandwidth * summed

    def _sparsity(self, latents: Code) -> Float[Tensor, ""]:
        if self.penalty == "l0":
            return (latents.values > 0).sum()
        return (self.steepness * latents.values).tanh().sum()

    def _press_dead(
        self,
        gradients: JumpReLUTensors,
        p: Tensors,
        now: Now,
        h: Float[Tensor, "n d_sae"],
        centred: Float[Tensor, "n d_in"],
        threshold: Float[Tensor, " d_sae"],
        total: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Add the penalty on dead latents to the gradients, if any is dead."""
        if not self.dead_coefficient or not bool(now.dead.any()):
            return total.new_zeros(())
        ids = now.dead.nonzero().squeeze(1)
        weight = self.dead_coefficient / total
        gap = (threshold[ids] - h[:, ids]).relu_()
        to_h = -weight * (gap > 0).to(h.dtype)
        gradients.encoder.index_add_(0, ids, to_h.T @ centred)
        gradients.b_enc.index_add_(0, ids, to_h.sum(0))
        gradients.b_dec.sub_(to_h.sum(0) @ p.encoder[ids])
        gradients.log_threshold.index_add_(0, ids, -to_h.sum(0) * threshold[ids])
        return weight * gap.sum()
