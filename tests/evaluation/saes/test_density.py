"""Rates and decoder geometry, counted by hand."""

import numpy as np
import pytest
import torch
from scipy import sparse

from saesteer.errors import InputError
from saesteer.evaluation.saes import density_of
from saesteer.evaluation.saes.density import decoder_cosines, decoder_norms
from saesteer.saes import ReLUSAE, SAEConfig


def test_rates_by_hand():
    dense = np.zeros((100, 4))
    dense[:50, 0] = 1  # dense
    dense[:10, 1] = 2  # a tenth is not yet dense
    dense[7, 2] = 3
    found = density_of(sparse.csr_array(dense))
    assert (found.tokens, found.dead, found.dense, found.median) == (100, 0.25, 0.25, 0.1)
    assert sum(found.histogram.counts) == 3  # the dead one has no logarithm
    assert (found.histogram.edges[0], found.histogram.edges[-1]) == (-2.0, 0.0)
    places = {
        round(edge, 2): count
        for edge, count in zip(found.histogram.edges, found.histogram.counts, strict=False)
    }
    assert places[-2.0] == places[-1.0] == places[-0.5] == 1


def test_one_token_and_none():
    assert density_of(sparse.csr_array(np.array([[1.0, 0.0]]))).dead == 0.5
    with pytest.raises(InputError, match="no tokens"):
        density_of(sparse.csr_array((0, 3)))


def _sae(decoder: torch.Tensor) -> ReLUSAE:
    d_sae, d_in = decoder.shape
    tensors = {"W_enc": decoder.T.clone(), "W_dec": decoder, "b_enc": torch.zeros(d_sae)}
    return ReLUSAE(SAEConfig("standard", d_in, d_sae), tensors | {"b_dec": torch.zeros(d_in)})


def test_the_nearest_other_row():
    rows = torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 3.0, 4.0], [0.0, 0.0, 0.0]])
    found = decoder_cosines(_sae(rows), bins=10)
    assert sum(found.counts) == 4 and (found.edges[0], found.edges[-1]) == pytest.approx((0.6, 1.0))
    assert (found.counts[0], found.counts[-1]) == (2, 2)
    norms = decoder_norms(_sae(rows), bins=5)
    assert norms.counts == (1, 1, 1, 1, 1) and norms.edges[-1] == 5
    assert decoder_norms(_sae(torch.eye(3))).counts == (3,)
    assert decoder_cosines(_sae(torch.zeros(3, 2))).counts == ()
