"""ReLU: the standard architecture, by hand."""

from __future__ import annotations

import torch

from saesteer.saes import ReLUSAE, SAEConfig


def test_by_hand():
    tensors = {
        "W_enc": torch.tensor([[2.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
        "W_dec": torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        "b_enc": torch.tensor([0.0, 0.0, -1.0]),
        "b_dec": torch.tensor([1.0, 0.0]),
    }
    x = torch.tensor([[2.0, 4.0]])
    sae = ReLUSAE(SAEConfig("standard", 2, 3), tensors)
    assert sae.pre(x).tolist() == [[2, -1, 3]]
    assert sae.encode(x).tolist() == [[2, 0, 3]]
    assert sae(x).tolist() == [[6, 3]]
    raw = ReLUSAE(SAEConfig("standard", 2, 3, apply_b_dec_to_input=False), tensors)
    assert raw.encode(x).tolist() == [[4, 0, 3]]
