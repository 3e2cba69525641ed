"""Small SAEs of every architecture, with weights that are no special case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from saesteer.saes import ARCHITECTURES, SAE, TRANSCODERS, SAEConfig

D_OUT = 12  # of transcoders


@pytest.fixture
def make_sae() -> Callable[..., SAE]:
    def make(architecture: str, d_in: int = 16, d_sae: int = 128, seed: int = 0, **fields: Any) -> SAE:
        if architecture in TRANSCODERS:
            fields = {"d_out": D_OUT, "apply_b_dec_to_input": False} | fields
        if "topk" in architecture:
            fields = {"k": 5} | fields
        cfg = SAEConfig(architecture, d_in, d_sae, **fields)
        kind = ARCHITECTURES.get(architecture)
        return kind(cfg, tensors(kind.shapes_of(cfg), seed))

    return make


def tensors(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    first = ("W_enc", "W_dec", "b_enc", "b_dec")
    order = [name for name in first if name in shapes] + [name for name in shapes if name not in first]
    return {name: _drawn(name, shapes[name], draw) for name in order}


def _drawn(name: str, shape: tuple[int, ...], draw: torch.Generator) -> torch.Tensor:
    if name == "threshold":
        return 4 * torch.rand(shape, generator=draw)
    return (0.3 if name in {"b_enc", "r_mag"} else 1) * torch.randn(shape, generator=draw)


@pytest.fixture
def x() -> torch.Tensor:
    return 3 * torch.randn(4, 9, 16, generator=torch.Generator().manual_seed(7)) + 1
