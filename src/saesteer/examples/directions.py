"""Which latents of an SAE have like weights: cosines of rows of the decoder or columns of the encoder.

Knows weights and which latents a table holds. Width x width is never held, only a block of rows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.cache import LatentTable
from saesteer.errors import InputError
from saesteer.saes import SAE

_COSINES: Final = 1 << 24  # held at once


def decoder_cosine(
    table: LatentTable, sae: SAE | None, k: int
) -> tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]:
    """Of what one unit of each latent adds."""
    return nearest_by_cosine(table, _given(sae).W_dec, k)


def encoder_cosine(
    table: LatentTable, sae: SAE | None, k: int
) -> tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]:
    """Of the directions in which each latent reads."""
    return nearest_by_cosine(table, _given(sae).W_enc.T, k)


@torch.no_grad()
def nearest_by_cosine(
    table: LatentTable, rows: Float[Tensor, "d_sae d"], k: int
) -> tuple[Int[np.ndarray, "d_sae k"], Float[np.ndarray, "d_sae k"]]:
    """Among the latents that have entries."""
    kept = torch.from_numpy(table.kept)
    unit = torch.nn.functional.normalize(rows[kept.to(rows.device)].float(), dim=1)
    found = min(k, max(0, len(kept) - 1))
    latents = np.full((table.d_sae, k), -1, np.int32)
    similarities = np.zeros((table.d_sae, k), np.float32)
    step = max(1, _COSINES // max(1, len(kept)))
    for low in range(0, len(kept) if found else 0, step):
        block = unit[low : low + step] @ unit.T
        block[torch.arange(len(block)), torch.arange(low, low + len(block))] = -torch.inf
        best = block.topk(found)
        latents[kept[low : low + step], :found] = kept[best.indices.cpu()].numpy()
        similarities[kept[low : low + step], :found] = best.values.cpu().numpy()
    return latents, similarities


def _given(sae: SAE | None) -> SAE:
    if sae is None:
        raise InputError("cosines of latents need the SAE's weights; give the SAE, or use jaccard")
    return sae
