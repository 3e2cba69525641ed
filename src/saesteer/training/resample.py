"""Dead latents of a ReLU SAE begin anew where it is worst (Bricken et al. 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.training.tensors import Tensors

_ENCODER = 0.2  # length of a new encoder row, as a share of the mean one of the living


def resample(
    p: Tensors, x: Float[Tensor, "n d_in"], dead: Bool[Tensor, " d_sae"], seed: int
) -> Int[Tensor, " m"]:
    """Change the tensors in place; which latents began anew: the dead, as many as there are tokens.

    Each gets the direction of a token's residual, drawn by its squared error's square; its bias is 0.
    """
    ids = dead.nonzero().squeeze(1)[: len(x)]
    if not len(ids):
        return ids
    centred = x - p.b_dec
    residual = centred - torch.addmm(p.b_enc, centred, p.encoder.T).relu_() @ p.decoder
    chance = residual.square().sum(1).square().double().cpu()
    if not bool(chance.sum() > 0):
        return ids[:0]
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(chance + chance.max() * 1e-12, len(ids), generator=draw).to(x.device)
    rows = F.normalize(residual[chosen], dim=-1)
    alive = p.encoder[~dead].norm(dim=-1)
    length = _ENCODER * float(alive.mean()) if len(alive) else 1.0
    p.decoder[ids] = rows
    p.encoder[ids] = rows * length
    p.b_enc[ids] = 0.0
    return ids
