"""What a form of training is: one architecture's loss, gradients and how it is saved. Knows no optimiser.

Every loss is (sum of squared errors + coefficients times penalties) / sum of squared deviations of the batch,
so that a coefficient means the same for every model: activations come in at a typical length of sqrt(d_in).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from saesteer.training.tensors import Tensors


def deviation(target: Float[Tensor, "n d"], weights: Float[Tensor, "n 1"] | None) -> Float[Tensor, ""]:
    """Sum of squared deviations from the batch's mean."""
    squares = (target - target.mean(0)).square()
    return squares.sum() if weights is None else (squares * weights).sum()


@dataclass(frozen=True, eq=False)
class Now:
    """What a step knows beside tensors and batch."""

    dead: Bool[Tensor, " d_sae"]
    """Latents that were silent for long."""
    done: float = 1.0
    """Share of the run that is done; penalties warm up by it."""
    weights: Float[Tensor, "n 1"] | None = None
    """Of the tokens' squared errors; None: all 1."""
    deviation: Callable[[Tensor, Tensor | None], Tensor] = deviation
    """Where several processes share a batch: over all of them."""

    def error(
        self, error: Float[Tensor, "n d"], target: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n d"], Float[Tensor, ""]]:
        """Squared error over the target's squared deviations, its gradient by the error, and these."""
        tiny = torch.finfo(target.dtype).tiny
        total = self.deviation(target, self.weights).clamp(min=tiny)
        if self.weights is None:
            return error.square().sum() / total, error * (2 / total), total
        weighted = error * self.weights
        return (weighted * error).sum() / total, weighted * (2 / total), total


@dataclass(frozen=True, eq=False)
class Step:
    """What one batch gives."""

    gradients: Tensors
    fvu: Float[Tensor, ""]
    """Squared residuals over squared deviations from the batch's mean."""
    aux: Float[Tensor, ""]
    """The same of the residuals, told by dead latents; 0 where none is dead or the form has no such loss."""
    l0: Float[Tensor, ""]
    fired: Bool[Tensor, " d_sae"]
    loss: Float[Tensor, ""]
    """What is minimised, penalties at their full coefficients, without aux: comparable all along a run."""
    least: Float[Tensor, ""] | None = None
    """BatchTopK: the least pre-activation that was kept."""


@dataclass(frozen=True)
class Inference:
    """What is saved: an architecture of `saes`, its tensors by their names there, and k where it has one."""

    architecture: str
    tensors: Mapping[str, Tensor]
    k: int | None = None


@dataclass(frozen=True)
class Form(ABC):
    """One way of training, with its own settings."""

    name: ClassVar[str]
    unit_decoder: ClassVar[bool] = True
    """Whether decoder rows stay at length 1."""
    resample_tokens: ClassVar[int | None] = None
    """Tokens from one resampling of dead latents to the next; None: never."""
    keeps_least: ClassVar[bool] = False
    """Whether a step says the least pre-activation that it kept."""

    def check(self, d_sae: int) -> None:
        """Refuse settings that a width forbids."""
        return

    def start(self, base: Tensors) -> Tensors:
        """The tensors to begin with, from those that all forms share."""
        return base

    @abstractmethod
    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        """Loss and gradients of one batch; reads `p` and changes nothing."""

    @abstractmethod
    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        """The trained SAE for activations as they come, `factor` times which were trained on."""


def plain_tensors(p: Tensors, factor: float) -> dict[str, Tensor]:
    """W_enc, W_dec, b_enc, b_dec for unscaled activations: the biases shrink by the factor, rows stay."""
    return {
        "W_enc": p.encoder.T,
        "W_dec": p.decoder,
        "b_enc": p.b_enc / factor,
        "b_dec": p.b_dec / factor,
    }


def warmed(coefficient: float, done: float, share: float) -> float:
    """A coefficient that rises linearly over the first `share` of the run."""
    return coefficient * min(1.0, done / share) if share else coefficient
