"""How well an SAE says activations again, and with how many latents. Knows no language model.

fvu, the fraction of variance unexplained: the sum of squared residuals over the sum of squared deviations
from the mean, both over all tokens and coordinates of the whole set, never a mean of ratios per token or per
batch. 0 is perfect, 1 is no better than always saying the mean, more than 1 is worse. The variance explained
is 1 - fvu.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes import SAE
from saesteer.saes.sparse import SparseLatents


@dataclass(frozen=True)
class SAEQuality:
    """An SAE on a set of activations."""

    fvu: float
    """Fraction of variance unexplained, over the whole set."""
    l0: float
    """Mean number of active latents per token."""
    dead: float
    """Fraction of latents that are active on no token of the set; it falls with the size of the set."""
    cosine: float
    """Mean cosine between activation and reconstruction."""
    tokens: int

    @property
    def explained(self) -> float:
        """Fraction of variance explained: 1 - fvu."""
        return 1 - self.fvu


def fvu(x: Float[Tensor, "... d"], xhat: Float[Tensor, "... d"]) -> float:
    """Fraction of variance unexplained of `xhat` for `x`, all tokens as one set."""
    if x.shape != xhat.shape:
        raise ShapeMismatch(
            f"x is {list(x.shape)} but xhat is {list(xhat.shape)}; give both of the same tokens"
        )
    rows, told = x.reshape(-1, x.shape[-1]).double(), xhat.reshape(-1, x.shape[-1]).double()
    return _ratio(float((rows - told).square().sum()), float((rows - rows.mean(0)).square().sum()))


@torch.no_grad()
def evaluate_sae(
    sae: SAE,
    batches: Iterable[Float[Tensor, "n d_in"]],
    targets: Iterable[Float[Tensor, "n d_out"]] | None = None,
) -> SAEQuality:
    """Measure over all batches as one set, holding one at a time; sums in float64.

    `targets`: what a transcoder says again, batch by batch of the same tokens; an SAE has its own input.
    InputError where a transcoder has none, ShapeMismatch where they do not fit.
    """
    tally = Tally(sae)
    for x, y in _pairs(sae, batches, targets):
        tally.add(x, y)
    return tally.quality()


class Tally:
    """The same set measured batch by batch, for who needs the latents too."""

    def __init__(self, sae: SAE) -> None:
        device = sae.W_dec.device
        self.sae = sae
        self.count = self.active = 0
        self.residual = self.squares = self.cosine = 0.0
        self.shift: Tensor | None = None  # so that squares of near numbers are subtracted
        self.total = torch.zeros(sae.cfg.width_out, dtype=torch.float64, device=device)
        self.fired = torch.zeros(sae.cfg.d_sae, dtype=torch.bool, device=device)

    @torch.no_grad()
    def add(
        self, batch: Float[Tensor, "n d_in"], target: Float[Tensor, "n d_out"] | None = None
    ) -> SparseLatents:
        """Count a batch in; its latents. `target`: what a transcoder should say; None: the batch."""
        x = batch.to(self.sae.W_dec.device, self.sae.W_dec.dtype)
        latents = self.sae.encode_sparse(x)
        xhat = self.sae.decode_sparse(latents, like=x)
        x = x if target is None else target.to(x)
        self.shift = x.double().mean(0) if self.shift is None else self.shift
        moved = x.double() - self.shift
        self.total += moved.sum(0)
        self.squares += float(moved.square().sum())
        self.residual += float((x.double() - xhat.double()).square().sum())
        self.cosine += float(torch.cosine_similarity(x, xhat, dim=-1).sum())
        self.active += int(latents.l0().sum())
        self.fired[latents.indices[latents.values != 0]] = True
        self.count += len(x)
        return latents

    def quality(self) -> SAEQuality:
        """Over what was added; InputError where that is nothing."""
        if not self.count:
            raise InputError("there are no activations to measure the SAE on; check their source")
        deviation = self.squares - float(self.total.square().sum()) / self.count
        dead = 1 - float(self.fired.double().mean())
        share = _ratio(self.residual, deviation)
        return SAEQuality(share, self.active / self.count, dead, self.cosine / self.count, self.count)


def _pairs(
    sae: SAE, batches: Iterable[Tensor], targets: Iterable[Tensor] | None
) -> Iterator[tuple[Float[Tensor, "n d_in"], Float[Tensor, "n d_out"]]]:
    """What the SAE reads and what it should say, as it holds numbers."""
    if sae.cfg.transcodes and targets is None:
        out = sae.cfg.hook_name_out or "another hookpoint"
        raise InputError(
            f"this is a {sae.cfg.architecture}, which says what {out} is, not its input; "
            f"give the activations there too (targets=...)"
        )
    both = ((each, each) for each in batches) if targets is None else zip(batches, targets, strict=True)
    for batch, target in both:
        if target.shape != (len(batch), sae.cfg.width_out):
            raise ShapeMismatch(
                f"targets are {list(target.shape)} but {len(batch)} tokens and d_out {sae.cfg.width_out} "
                "make it another shape; give those of the same tokens"
            )
        yield batch.to(sae.W_dec.device, sae.W_dec.dtype), target.to(sae.W_dec.device, sae.W_dec.dtype)


def _ratio(residual: float, deviation: float) -> float:
    if deviation > 0:
        return residual / deviation
    return 0.0 if residual == 0 else float("inf")
