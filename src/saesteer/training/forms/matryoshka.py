"""Matryoshka BatchTopK (Bussmann et al. 2025, arXiv 2503.17547): the first latents alone must tell x too.

Nested prefixes of the latents each reconstruct; the loss is the mean of their errors, so that general
concepts are not absorbed by special ones. Selection is that of BatchTopK, over all latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError
from saesteer.training.forms.batchtopk import OfBatch, largest_of_batch, least_of
from saesteer.training.forms.code import Pairs
from saesteer.training.forms.form import Now, Step
from saesteer.training.tensors import Tensors


@final
@dataclass(frozen=True)
class Matryoshka(OfBatch):
    """BatchTopK, with the mean squared error of several nested prefixes."""

    name: ClassVar[str] = "matryoshka"

    prefixes: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
    """Shares of the latents, ascending; the last is 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "prefixes", tuple(self.prefixes))
        rising = all(a < b for a, b in zip((0.0, *self.prefixes), self.prefixes, strict=False))
        if not (self.prefixes and rising and self.prefixes[-1] == 1):
            raise InputError(f"prefixes are ascending shares over 0 that end with 1, got {self.prefixes}")

    def check(self, d_sae: int) -> None:
        super().check(d_sae)
        sizes = self.sizes(d_sae)
        if len({0, *sizes}) <= len(sizes):
            raise InputError(f"prefixes {self.prefixes} of d_sae {d_sae} are the sizes {sizes}; name fewer")

    def sizes(self, d_sae: int) -> list[int]:
        """Latents of each prefix."""
        return [int(share * d_sae) for share in self.prefixes]

    def step(self, p: Tensors, x: Float[Tensor, "n d_in"], now: Now) -> Step:
        centred = x - p.b_dec
        h = torch.addmm(p.b_enc, centred, p.encoder.T)
        chosen = largest_of_batch(h, self.k)
        parts = _parts(p, chosen, self.sizes(len(p.b_enc)), len(x))
        residual, errors, slopes = centred, [], []
        for part in parts:
            residual = residual - part.output
            fvu, slope, _ = now.error(-residual, x)
            errors.append(fvu)
            slopes.append(slope / len(parts))
        gradients = _gradients(p, parts, slopes, centred)
        aux = self.add_aux(gradients, p, now, h, centred, residual)
        loss = torch.stack(errors).mean()
        l0 = torch.stack([part.l0() for part in parts]).sum()
        fired = torch.cat([part.fired() for part in parts])
        return Step(gradients, errors[-1], aux, l0, fired, loss, least_of(chosen[2]))


def _parts(
    p: Tensors,
    chosen: tuple[Int[Tensor, " m"], Int[Tensor, " m"], Float[Tensor, " m"]],
    sizes: list[int],
    n_tokens: int,
) -> list[Pairs]:
    """The chosen latents that each prefix adds to the one before."""
    tokens, latents, values = chosen
    parts = []
    for low, high in zip([0, *sizes], sizes, strict=False):
        inside = (latents >= low) & (latents < high)
        some = tokens[inside], latents[inside] - low, values[inside]
        parts.append(Pairs.at(p.decoder[low:high], *some, n_tokens))
    return parts


def _gradients(
    p: Tensors, parts: list[Pairs], slopes: list[Float[Tensor, "n d_in"]], centred: Float[Tensor, "n d_in"]
) -> Tensors:
    """A latent is told by its own prefix and by every longer one."""
    below = torch.zeros_like(centred)
    encoder, b_enc, decoder = [], [], []
    for part, slope in zip(reversed(parts), reversed(slopes), strict=True):
        below = below + slope
        to_h = part.back(below)
        encoder.append(part.weighted(centred, to_h))
        b_enc.append(part.per_latent(to_h))
        decoder.append(part.weighted(below, part.values))
    to_bias = torch.cat(b_enc[::-1])
    return Tensors(
        encoder=torch.cat(encoder[::-1]),
        b_enc=to_bias,
        decoder=torch.cat(decoder[::-1]),
        b_dec=below.sum(0) - to_bias @ p.encoder,
    )
