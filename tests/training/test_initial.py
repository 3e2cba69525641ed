"""The start of training."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.training.initial import geometric_median, initial_tensors


def test_the_median_shrugs_at_an_outlier():
    x = torch.randn(400, 6, generator=torch.Generator().manual_seed(0)) + 2
    plain = geometric_median(x)
    x[0] = 1e4
    assert (geometric_median(x) - plain).norm() < 0.1
    assert (x.mean(0) - plain).norm() > 10


def test_the_median_is_where_the_unit_vectors_cancel():
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(1)).exp().double()
    away = x - geometric_median(x, rounds=500)
    assert (away / away.norm(dim=-1, keepdim=True)).sum(0).norm() < 1e-3


@pytest.mark.parametrize("centre", ["geometric_median", "mean"])
def test_tensors(centre):
    x = 30 * torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) + 100
    x[0] = 1e6
    p, factor = initial_tensors(x, 20, centre, seed=3)
    torch.testing.assert_close(p.decoder.norm(dim=-1), torch.ones(20))
    assert torch.equal(p.encoder, p.decoder)
    assert p.encoder.data_ptr() != p.decoder.data_ptr()
    assert not p.b_enc.any()
    middle = geometric_median(x) if centre == "geometric_median" else x.mean(0)
    torch.testing.assert_close(p.b_dec, middle * factor)
    assert float((x * factor - p.b_dec).norm(dim=-1).median()) == pytest.approx(6**0.5, rel=1e-3)
    assert torch.equal(initial_tensors(x, 20, centre, seed=3)[0].decoder, p.decoder)
    assert not torch.equal(initial_tensors(x, 20, centre, seed=4)[0].decoder, p.decoder)


def test_activations_without_variance():
    with pytest.raises(InputError, match="are all the same"):
        initial_tensors(torch.ones(10, 4), 8, "mean", 0)
