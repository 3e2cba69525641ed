"""Conditioned latents (SCAR, arXiv 2411.07122): the first latents also learn to tell labelled concepts.

    L = L_reconstruction + weight * sum over concepts c of mean over labelled tokens of BCE(sigmoid(h_c), y_c)

h is the pre-activation, so the loss passes by whatever the form selects, and every form takes it unchanged. A
label is a number from 0 to 1 per token and concept, or NaN where there is none; such tokens are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, ShapeMismatch
from saesteer.training.tensors import Tensors
from saesteer.training.workers import ALONE, Workers


@dataclass(frozen=True)
class Condition:
    """Which concepts the first latents stand for: concept i has latent i."""

    concepts: tuple[str, ...]
    """Their names, in the order of the labels."""
    weight: float = 1.0
    """Of the conditioned loss beside the reconstruction; 0: the plain SAE."""
    positive_weight: float = 1.0
    """How much more a positive label counts, in this loss alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "concepts", tuple(self.concepts))
        if not self.concepts or len(set(self.concepts)) < len(self.concepts):
            raise InputError(f"concepts are one or more different names, got {list(self.concepts)}")
        for name in ("weight", "positive_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is 0 or more, got {getattr(self, name)}")

    def add(
        self,
        gradients: Tensors,
        p: Tensors,
        x: Float[Tensor, "n d_in"],
        labels: Float[Tensor, "n concepts"] | None,
        workers: Workers = ALONE,
    ) -> Float[Tensor, ""]:
        """Add the loss's gradients to those of a step; the loss without its weight."""
        labels = self.checked(labels, len(x)).to(x)
        latents = slice(0, len(self.concepts))
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc[latents], centred, p.encoder[latents].T)
        known = ~labels.isnan()
        count = known.sum(0).to(x.dtype)
        workers.add_up([count])
        share = known / count.clamp(min=1)
        y = torch.where(known, labels, 0.0)
        # -(c y log s + (1 - y) log(1 - s)) with s = sigmoid(h); its slope by h.
        loss = -share * (self.positive_weight * y * F.logsigmoid(h) + (1 - y) * F.logsigmoid(-h))
        sigmoid = h.sigmoid()
        to_h = share * ((1 - y) * sigmoid - self.positive_weight * y * (1 - sigmoid)) * self.weight
        gradients.encoder[latents] += to_h.T @ centred
        gradients.b_enc[latents] += to_h.sum(0)
        gradients.b_dec.sub_(to_h.sum(0) @ p.encoder[latents])
        return loss.sum()

    def checked(self, labels: Tensor | None, tokens: int) -> Tensor:
        """The labels, if they are [tokens, concepts] and from 0 to 1 or NaN."""
        wanted = [tokens, len(self.concepts)]
        if labels is None or list(labels.shape) != wanted:
            got = "none" if labels is None else list(labels.shape)
            raise ShapeMismatch(
                f"labels are [tokens, concepts] = {wanted} for the concepts {', '.join(self.concepts)}, "
                f"got {got}; give labels beside the activations"
            )
        if bool(((labels < 0) | (labels > 1)).any()):
            raise InputError("labels are from 0 to 1, or NaN where there is none; check them")
        return labels
