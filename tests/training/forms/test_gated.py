"""The gated form against the paper's loss with autograd, and the saved SAE."""

from __future__ import annotations

import pytest
import torch

from saesteer.saes import GatedSAE, SAEConfig
from saesteer.training.forms import Gated, Now
from saesteer.training.forms.gated import GatedTensors
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors


def latents(p, x):
    product = (x - p.b_dec) @ p.encoder.T
    gate = product + p.b_enc
    return gate.relu(), (product * p.r_mag.exp() + p.b_mag).relu() * (gate > 0)


def naive(p, x, l1: float):
    gate, z = latents(p, x)
    error = (z @ p.decoder + p.b_dec - x).square().sum()
    told = (gate @ p.decoder.detach() + p.b_dec.detach() - x).square().sum()
    return (error + told + l1 * gate.sum()) / deviations(x)


def gated(d_sae: int, d_in: int) -> GatedTensors:
    more = {"b_mag": normal(d_sae, seed=5), "r_mag": normal(d_sae, seed=6)}
    return GatedTensors(**tensors(d_sae, d_in).named(), **more)


@pytest.mark.parametrize("bias", [0.0, -6.0])
def test_gradients(bias):
    form = Gated(l1=3.0, l1_warmup_share=0.8)
    p, x = gated(40, 7), normal(50, 7, seed=9)
    p.b_enc.add_(bias)
    step = check_gradients(form, p, x, Now(some(40, 0.5), 0.4), lambda p: naive(p, x, 1.5))
    torch.testing.assert_close(step.loss, naive(p, x, 3.0))
    _, z = latents(p, x)
    torch.testing.assert_close(step.fvu, (z @ p.decoder + p.b_dec - x).square().sum() / deviations(x))
    assert torch.equal(step.fired, (z > 0).any(0))
    assert 0 < float(step.l0) == pytest.approx(float((z > 0).sum(1).double().mean()))


def test_it_is_saved_for_unscaled_activations():
    p, x = gated(40, 7), normal(50, 7, seed=9)
    found = Gated().inference(p, factor=2.0, least=0.0)
    sae = GatedSAE(SAEConfig(found.architecture, 7, 40, dtype="float64"), found.tensors)
    torch.testing.assert_close(sae(x), (latents(p, 2 * x)[1] @ p.decoder + p.b_dec) / 2)


def test_it_starts_as_relu():
    p = Gated().start(tensors(40, 7))
    gate, z = latents(p, normal(50, 7, seed=9))
    torch.testing.assert_close((z > 0) & (gate > 0), z > 0)
    assert p.b_mag.data_ptr() != p.r_mag.data_ptr()
