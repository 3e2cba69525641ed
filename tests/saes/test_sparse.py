"""Sparse latents."""

from __future__ import annotations

import torch

from saesteer.saes.sparse import SparseLatents, active, stack_padded


def test_padding_has_no_weight():
    s = SparseLatents(torch.tensor([[3, 0, 0], [0, 2, 0]]), torch.tensor([[2.0, 0, 0], [1, 4, 0]]), 5)
    assert s.dense().tolist() == [[0, 0, 0, 2, 0], [1, 0, 4, 0, 0]]
    assert s.l0().tolist() == [1, 2]
    assert s.at(torch.tensor([0, 3, 0])).tolist() == [[0, 2, 0], [1, 0, 1]]


def test_active_of_ragged_rows():
    z = torch.tensor([[0, 1.0, 0, 2], [0, 0, 0, 0], [5, 6, 7, 0]])
    indices, values = active(z)
    assert indices.tolist() == [[1, 3, 0], [0, 0, 0], [0, 1, 2]]
    assert values.tolist() == [[1, 2, 0], [0, 0, 0], [5, 6, 7]]
    wide, _ = stack_padded([active(z[:1]), active(z[1:])])
    assert wide.shape == (3, 3)
