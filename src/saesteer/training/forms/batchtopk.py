"""BatchTopK (Bussmann et al. 2024, arXiv 2412.06410): the n k largest pre-activations of a batch of n tokens.

A token may have more or fewer than k. For one token alone there is no batch, so what is saved is a JumpReLU
SAE whose one threshold is the mean of the least pre-activation kept, over the last hundred batches or so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.training.forms.code import Pairs
from saesteer.training.forms.form import Inference, Now, Step, plain_tensors
from saesteer.training.forms.topk import OfK
from saesteer.training.tensors import Tensors

_SAMPLE: Final = 64  # tokens from which a bound under the least kept is guessed


@dataclass(frozen=True)
class OfBatch(OfK):
    """Settings and the saved form that BatchTopK and Matryoshka share."""

    keeps_least: ClassVar[bool] = True

    def inference(self, p: Tensors, factor: float, least: float) -> Inference:
        threshold = torch.full_like(p.b_enc, least / factor)
        return Inference("jumprelu", plain_tensors(p, factor) | {"threshold": threshold})


@final
@dataclass(frozen=True)
class BatchTopK(OfBatch):
    """z = h for the n k largest positive h of a batch of n tokens, else 0."""

    name: ClassVar[str] = "batchtopk"

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc, centred, p.encoder.T)
        tokens, latents, values = largest_of_batch(h, self.k)
        code = Pairs.at(p.decoder, tokens, latents, values, len(x))
        residual = centred - code.output
        fvu, slope, _ = now.error(-residual, x)
        to_h = code.back(slope)
        b_enc = code.per_latent(to_h)
        gradients = Tensors(
            encoder=code.weighted(centred, to_h),
            b_enc=b_enc,
            decoder=code.weighted(slope, code.values),
            b_dec=slope.sum(0) - b_enc @ p.encoder,
        )
        aux = self.add_aux(gradients, p, now, h, centred, residual)
        return Step(gradients, fvu, aux, code.l0(), code.fired(), fvu, least_of(values))


def largest_of_batch(
    h: Float[Tensor, "n d_sae"], k: int
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Tokens, latents and values of the n k largest positive numbers, or of all if fewer; ordered by token.

    A bound guessed from some tokens leaves a few candidates out of all numbers; where it was too high, all
    positive ones are candidates.
    """
    wanted = len(h) * k
    sample = h[:: max(1, len(h) // _SAMPLE)]
    guess = float(sample.flatten().topk(len(sample) * k, sorted=False).values.min())
    for bound in (max(0.0, guess - 0.1 * abs(guess)), 0.0):
        places = h > bound
        if bound == 0 or int(places.sum()) >= wanted:
            break
    tokens, latents = places.nonzero(as_tuple=True)
    values = h[tokens, latents]
    if len(values) > wanted:
        chosen = values.topk(wanted, sorted=False).indices.sort().values
        tokens, latents, values = tokens[chosen], latents[chosen], values[chosen]
    return tokens, latents, values


def least_of(values: Float[Tensor, " m"]) -> Float[Tensor, ""] | None:
    """The least value kept, or None where none was."""
    return values.min() if len(values) else None
