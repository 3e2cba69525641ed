"""Gated: one path says whether, the other how much."""

from __future__ import annotations

import math

import torch

from saesteer.saes import GatedSAE, SAEConfig


def test_by_hand():
    tensors = {
        "W_enc": torch.tensor([[1.0, 1.0, 1.0, -1.0]]),
        "W_dec": torch.tensor([[1.0], [10.0], [100.0], [1000.0]]),
        "b_dec": torch.tensor([1.0]),
        "b_gate": torch.tensor([0.0, -2.0, -1.0, 9.0]),
        "b_mag": torch.tensor([0.5, 0.0, -9.0, 3.0]),
        "r_mag": torch.tensor([0.0, 0.0, 0.0, math.log(2)]),
    }
    sae = GatedSAE(SAEConfig("gated", 1, 4), tensors)
    x = torch.tensor([[3.0]])
    assert sae.pre(x).tolist() == [[2, 0, 1, 7]]  # a gate at 0 is closed
    assert sae.encode(x).tolist() == [[2.5, 0, 0, 0]]  # the last two: open, with a magnitude below 0
    assert sae(x).tolist() == [[3.5]]
    assert sae.latent(x, [3, 0]).tolist() == [[0, 2.5]]
    assert sae.encode(torch.tensor([[-3.0]])).tolist() == [[0, 0, 0, 11]]
