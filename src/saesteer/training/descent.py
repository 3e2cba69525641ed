"""One step downhill: gradients projected and clipped, Adam, decoder rows back at length 1. Knows no loss."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from saesteer.training.tensors import Tensors

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Descent:
    """Adam over the tensors of one SAE."""

    def __init__(self, p: Tensors, unit_decoder: bool, clip_norm: float) -> None:
        self.p, self.unit_decoder, self.clip_norm = p, unit_decoder, clip_norm
        self.adam = torch.optim.Adam(p.named().values(), lr=0.0, eps=6.25e-10, fused=True)

    def norm(self, gradients: Tensors) -> float:
        """The gradients' length before clipping, without what would only change the length of a row."""
        if self.unit_decoder:
            along = (gradients.decoder * self.p.decoder).sum(-1, keepdim=True)
            gradients.decoder.sub_(along * self.p.decoder)
        return math.sqrt(sum(float(slope.square().sum()) for slope in gradients.named().values()))

    def move(self, gradients: Tensors, norm: float, lr: float) -> None:
        """Against the gradients, which are clipped in place."""
        shrink = min(1.0, self.clip_norm / (norm + 1e-12))
        for tensor, slope in zip(self.p.named().values(), gradients.named().values(), strict=True):
            tensor.grad = slope.mul_(shrink)
        self.adam.param_groups[0]["lr"] = lr
        self.adam.step()
        if self.unit_decoder:
            F.normalize(self.p.decoder, dim=-1, out=self.p.decoder)

    def state(self) -> dict[str, Tensor]:
        """The moments, by name."""
        return {
            f"{moment}.{name}": self.adam.state[tensor][moment]
            for name, tensor in self.p.named().items()
            for moment in _MOMENTS
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up moments that `state` gave."""
        for name, tensor in self.p.named().items():
            self.adam.state[tensor] = {moment: tensors[f"{moment}.{name}"] for moment in _MOMENTS}

    def forget(self, latents: Int[Tensor, " n"]) -> None:
        """Set the moments of some latents to 0."""
        for name, tensor in self.p.named().items():
            if name != "b_dec":
                for moment in ("exp_avg", "exp_avg_sq"):
                    self.adam.state[tensor][moment][latents] = 0.0
