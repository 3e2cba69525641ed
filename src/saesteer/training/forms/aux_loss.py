"""AuxK (Gao et al. 2024, A.2): dead latents learn to tell the residual, so that they come back to life."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.training.forms.form import Now
from saesteer.training.tensors import Tensors


def add_aux(
    gradients: Tensors,
    p: Tensors,
    now: Now,
    h: Float[Tensor, "n d_sae"],
    centred: Float[Tensor, "n d_in"],
    residual: Float[Tensor, "n d_in"],
    k_aux: int,
    coefficient: float,
) -> Float[Tensor, ""]:
    """Add to the gradients, if any latent is dead; dense among them, since they are few and k_aux is not."""
    if not coefficient or not bool(now.dead.any()):
        return h.new_zeros(())
    ids = now.dead.nonzero().squeeze(1)
    encoder, decoder, among = p.encoder[ids], p.decoder[ids], h[:, ids]
    values, columns = among.topk(min(k_aux, len(ids)), sorted=False)
    z = torch.zeros_like(among).scatter_(1, columns, values.relu_())
    aux, slope, _ = now.error(z @ decoder - residual, residual)
    slope = coefficient * slope
    to_h = (slope @ decoder.T) * (z > 0)
    gradients.encoder.index_add_(0, ids, to_h.T @ centred)
    gradients.decoder.index_add_(0, ids, z.T @ slope)
    gradients.b_enc.index_add_(0, ids, to_h.sum(0))
    gradients.b_dec.sub_(to_h.sum(0) @ encoder)
    return aux
