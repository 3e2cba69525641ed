"""Where training starts: b_dec amid the data, unit decoder rows, the encoder the same, one scale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.training.tensors import Tensors


def initial_tensors(
    first: Float[Tensor, "n d_in"], d_sae: int, centre: str, seed: int
) -> tuple[Tensors, float]:
    """Tensors for activations times the factor that stands beside them; both from a first batch.

    The factor makes the middle token's distance from the centre sqrt(d_in), so that one learning rate does
    for every model. The middle, not the mean: a few tokens of some models are a thousand times as long.
    """
    middle = geometric_median(first) if centre == "geometric_median" else first.mean(0)
    distance = float((first - middle).norm(dim=-1).median())
    if not distance > 0:
        raise InputError(
            f"the {len(first)} activations of the first batch are all the same; check their source"
        )
    factor = first.shape[1] ** 0.5 / distance
    draw = torch.Generator().manual_seed(seed)  # on the CPU, for the same start on every device
    decoder = F.normalize(torch.randn(d_sae, first.shape[1], generator=draw), dim=-1).to(first.device)
    return Tensors(decoder.clone(), decoder.new_zeros(d_sae), decoder, middle * factor), factor


def geometric_median(x: Float[Tensor, "n d"], rounds: int = 50) -> Float[Tensor, " d"]:
    """The point with the least summed distance to the rows (Weiszfeld's iteration)."""
    middle = x.mean(0)
    for _ in range(rounds):
        distance = (x - middle).norm(dim=-1).clamp(min=1e-6)
        nearness = 1 / distance
        middle = (x * nearness[:, None]).sum(0) / nearness.sum()
    return middle
