"""JumpReLU: the threshold is strict and the value is not lowered by it."""

from __future__ import annotations

import torch

from saesteer.saes import JumpReLUSAE, SAEConfig


def test_threshold():
    cfg = SAEConfig("jumprelu", 1, 4, apply_b_dec_to_input=False)
    sae = JumpReLUSAE(
        cfg,
        {
            "W_enc": torch.tensor([[1.0, 1.0, 1.0, -1.0]]),
            "W_dec": torch.ones(4, 1),
            "b_enc": torch.zeros(4),
            "b_dec": torch.zeros(1),
            "threshold": torch.tensor([1.9, 2.0, 2.1, -9.0]),
        },
    )
    assert sae.encode(torch.tensor([[2.0]])).tolist() == [[2, 0, 0, 0]]
    assert sae.latent(torch.tensor([[2.0]]), [3, 1, 0]).tolist() == [[0, 0, 2]]
