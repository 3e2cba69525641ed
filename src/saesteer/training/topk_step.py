"""Loss and gradients of a TopK SAE with AuxK (Gao et al. 2024) for one batch, by hand and sparse.

Of the five products of a step only the encoder's forward one is dense; the others touch k rows per token. On
one CPU thread (2,048 tokens, d_in 192, d_sae 2,048, k 32) each of them takes 1 to 4 ms, and 20 ms as a dense
product: `python scripts/benchmark_sae.py`. Knows no optimiser and no schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.saes.sparse import weighted_rows
from saesteer.saes.topk import largest


@dataclass(frozen=True, eq=False)
class TopKTensors:
    """The trained tensors (or their gradients). Encoder and decoder both hold one row per latent."""

    encoder: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, " d_sae"]
    decoder: Float[Tensor, "d_sae d_in"]
    b_dec: Float[Tensor, " d_in"]

    def named(self) -> dict[str, Tensor]:
        """Name to tensor, in a fixed order."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, eq=False)
class TopKStep:
    """What one batch gives."""

    gradients: TopKTensors
    fvu: Float[Tensor, ""]
    """Squared residuals over squared deviations from the batch's mean; the loss but for AuxK."""
    aux: Float[Tensor, ""]
    """The same of the residuals, told by dead latents; 0 where none is dead."""
    l0: Float[Tensor, ""]
    fired: Bool[Tensor, " d_sae"]


def topk_step(
    p: TopKTensors,
    x: Float[Tensor, "n d_in"],
    k: int,
    dead: Bool[Tensor, " d_sae"],
    k_aux: int,
    aux_coefficient: float,
) -> TopKStep:
    """Loss, gradients and who fired; `dead` latents also learn to tell the residual (A.2 of the paper)."""
    centred = x - p.b_dec
    h = torch.addmm(p.b_enc, centred, p.encoder.T)
    values, indices = largest(h, k)
    live = _Chosen(p, indices, values.relu())
    residual = x - p.b_dec - live.output.detach()
    loss, slope = _normalised_error(-residual, x)
    gradients = live.gradients(slope, centred)
    gradients.b_dec.add_(slope.sum(0))
    aux = loss.new_zeros(())
    if aux_coefficient and bool(dead.any()):
        aux = _add_aux(gradients, p, dead, h, centred, residual, k_aux, aux_coefficient)
    return TopKStep(gradients, loss, aux, live.l0(), live.fired())


def _add_aux(
    gradients: TopKTensors,
    p: TopKTensors,
    dead: Bool[Tensor, " d_sae"],
    h: Float[Tensor, "n d_sae"],
    centred: Float[Tensor, "n d_in"],
    residual: Float[Tensor, "n d_in"],
    k_aux: int,
    coefficient: float,
) -> Float[Tensor, ""]:
    """Let the dead latents tell the residual; dense among them, since they are few and k_aux is not."""
    ids = dead.nonzero().squeeze(1)
    encoder, decoder, among = p.encoder[ids], p.decoder[ids], h[:, ids]
    values, columns = among.topk(min(k_aux, len(ids)), sorted=False)
    z = torch.zeros_like(among).scatter_(1, columns, values.relu_())
    aux, slope = _normalised_error(z @ decoder - residual, residual)
    slope = coefficient * slope
    to_h = (slope @ decoder.T) * (z > 0)
    gradients.encoder.index_add_(0, ids, to_h.T @ centred)
    gradients.decoder.index_add_(0, ids, z.T @ slope)
    gradients.b_enc.index_add_(0, ids, to_h.sum(0))
    gradients.b_dec.sub_(to_h.sum(0) @ encoder)
    return aux


class _Chosen:
    """Chosen latents of each token, what they decode to, and how to go back from there."""

    def __init__(self, p: TopKTensors, indices: Int[Tensor, "n k"], values: Float[Tensor, "n k"]) -> None:
        self.p, self.indices = p, indices
        with (
            torch.enable_grad()
        ):  # torch's own kernel for the gradient of the weights, and nothing else of autograd
            self.values = values.detach().requires_grad_()
            self.output: Float[Tensor, "n d_in"] = weighted_rows(p.decoder, indices, self.values)

    def gradients(self, slope: Float[Tensor, "n d_in"], centred: Float[Tensor, "n d_in"]) -> TopKTensors:
        """All gradients, given that of the output; that of b_dec only by way of the encoder's input."""
        (to_values,) = torch.autograd.grad(self.output, self.values, slope)
        to_values = to_values * (self.values.detach() > 0)
        by_latent = _ByLatent(self.indices, len(self.p.decoder))
        b_enc = torch.zeros_like(self.p.b_enc).index_add_(0, self.indices.flatten(), to_values.flatten())
        return TopKTensors(
            encoder=by_latent.weighted_sum(centred, to_values),
            b_enc=b_enc,
            decoder=by_latent.weighted_sum(slope, self.values.detach()),
            b_dec=-(b_enc @ self.p.encoder),
        )

    def l0(self) -> Float[Tensor, ""]:
        return (self.values.detach() > 0).sum() / len(self.values)

    def fired(self) -> Bool[Tensor, " d_sae"]:
        fired = torch.zeros_like(self.p.b_enc, dtype=torch.bool)
        fired[self.indices[self.values.detach() > 0]] = True
        return fired


class _ByLatent:
    """The chosen entries sorted by latent, so that sums over tokens are sums of rows too."""

    def __init__(self, indices: Int[Tensor, "n k"], d_sae: int) -> None:
        flat = indices.flatten()
        small = flat.to(torch.int16 if d_sae < 2**15 else torch.int32)  # sorts three times as fast as int64
        self.order = small.sort(stable=True).indices
        self.tokens = self.order // indices.shape[1]
        counts = torch.bincount(flat, minlength=d_sae)
        self.starts = counts.cumsum(0) - counts

    def weighted_sum(
        self, rows: Float[Tensor, "n width"], weights: Float[Tensor, "n k"]
    ) -> Float[Tensor, "d_sae width"]:
        """Per latent the sum over its tokens of the token's row times the weight of the pair."""
        sorted_weights = weights.flatten()[self.order]
        return F.embedding_bag(self.tokens, rows, self.starts, per_sample_weights=sorted_weights, mode="sum")


def _normalised_error(
    error: Float[Tensor, "n d"], target: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "n d"]]:
    """Squared error over the target's squared deviations, and its gradient by the error."""
    total = (target - target.mean(0)).square().sum().clamp(min=torch.finfo(target.dtype).tiny)
    return error.square().sum() / total, error * (2 / total)
