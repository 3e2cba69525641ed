"""The standard form: gradients, the saved SAE, settings."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.saes import ReLUSAE, SAEConfig
from saesteer.training.forms import Now, ReLU
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors


def naive(p, x, l1: float):
    z = ((x - p.b_dec) @ p.encoder.T + p.b_enc).relu()
    error = (z @ p.decoder + p.b_dec - x).square().sum()
    return (error + l1 * (z * p.decoder.norm(dim=1)).sum()) / deviations(x)


@pytest.mark.parametrize("bias", [0.0, -6.0])  # the second leaves so few latents that they go as pairs
@pytest.mark.parametrize("done", [0.0, 0.5, 1.0])
def test_gradients(bias, done):
    form = ReLU(l1=3.0, l1_warmup_share=0.8)
    p, x = tensors(40, 7), normal(50, 7, seed=9)
    p.b_enc.add_(bias)
    now = Now(some(40, 0.5), done=done)
    step = check_gradients(form, p, x, now, lambda p: naive(p, x, 3.0 * min(1, done / 0.8)))
    torch.testing.assert_close(step.loss, naive(p, x, 3.0))
    torch.testing.assert_close(step.fvu, naive(p, x, 0.0))
    z = ((x - p.b_dec) @ p.encoder.T + p.b_enc).relu()
    assert torch.equal(step.fired, (z > 0).any(0))
    share = float((z > 0).double().mean())
    assert float(step.l0) == pytest.approx(40 * share)
    assert (share < 1 / 24) == (bias < 0)


def test_it_is_saved_with_unit_rows_and_means_the_same():
    p, x = tensors(40, 7), normal(50, 7, seed=9)
    p.decoder[3] = 0  # never to be divided by
    found = ReLU().inference(p, factor=2.0, least=0.0)
    sae = ReLUSAE(SAEConfig(found.architecture, 7, 40, dtype="float64"), found.tensors)
    z = ((2 * x - p.b_dec) @ p.encoder.T + p.b_enc).relu()
    torch.testing.assert_close(sae(x), (z @ p.decoder + p.b_dec) / 2)
    norms = sae.W_dec.norm(dim=1)
    torch.testing.assert_close(norms, torch.where(torch.arange(40) == 3, 0.0, 1.0).double())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l1": -1.0}, "l1 is 0 or more"),
        ({"l1_warmup_share": 2.0}, "l1_warmup_share is a share"),
        ({"resample_tokens": 0}, "resample_tokens is 1 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        ReLU(**settings)
