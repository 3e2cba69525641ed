"""Small SAEs of every architecture, with weights that are no special case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from saesteer.saes import ARCHITECTURES, SAE, SAEConfig


@pytest.fixture
def make_sae() -> Callable[..., SAE]:
    def make(architecture: str, d_in: int = 16, d_sae: int = 128, seed: int = 0, **fields: Any) -> SAE:
        draw = torch.Generator().manual_seed(seed)
        k = 5 if architecture == "topk" else None
        cfg = SAEConfig(architecture, d_in, d_sae, **{"k": k, **fields})
        tensors = {
            "W_enc": torch.randn(d_in, d_sae, generator=draw),
            "W_dec": torch.randn(d_sae, d_in, generator=draw),
            "b_enc": 0.3 * torch.randn(d_sae, generator=draw),
            "b_dec": torch.randn(d_in, generator=draw),
        }
        if architecture == "jumprelu":
            tensors["threshold"] = 4 * torch.rand(d_sae, generator=draw)
        return ARCHITECTURES.get(architecture)(cfg, tensors)

    return make


@pytest.fixture
def x() -> torch.Tensor:
    return 3 * torch.randn(4, 9, 16, generator=torch.Generator().manual_seed(7)) + 1
