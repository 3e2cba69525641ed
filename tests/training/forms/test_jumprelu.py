"""JumpReLU against the papers' pseudo-code: custom autograd functions, dense, float64."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.saes import JumpReLUSAE, SAEConfig
from saesteer.training.forms import JumpReLU, Now
from saesteer.training.forms.jumprelu import JumpReLUTensors
from tests.training.forms import dense
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors


def naive(p, x, form: JumpReLU, dead, sparsity: float):
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    threshold = p.log_threshold.exp()
    z = dense.JumpReLU.apply(h, threshold, form.bandwidth)
    error = (z @ p.decoder + p.b_dec - x).square().sum()
    if form.penalty == "l0":
        many = dense.Jump.apply(h, threshold, form.bandwidth).sum()
    else:
        many = (form.steepness * z).tanh().sum()
    pressed = (threshold - h).relu()[:, dead].sum()
    return (error + sparsity * many + form.dead_coefficient * pressed) / deviations(x)


def jumping(bias: float) -> JumpReLUTensors:
    p = JumpReLU(threshold=0.7).start(tensors(40, 7))
    p.b_enc.add_(bias)
    return JumpReLUTensors(**p.named() | {"log_threshold": p.log_threshold + 0.3 * normal(40, seed=5)})


@pytest.mark.parametrize("penalty", ["l0", "tanh"])
@pytest.mark.parametrize("bias", [0.0, -6.0])
@pytest.mark.parametrize("dead_share", [0.0, 0.4])
def test_gradients(penalty, bias, dead_share):
    form = JumpReLU(2.0, 0.8, penalty, bandwidth=1.5, dead_coefficient=0.2)
    p, x, dead = jumping(bias), normal(80, 7, seed=9), some(40, dead_share)
    step = check_gradients(form, p, x, Now(dead, 0.4), lambda p: naive(p, x, form, dead, 1.0))
    torch.testing.assert_close(step.loss, naive(p, x, form, dead, 2.0))
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    over = h > p.log_threshold.exp()
    assert torch.equal(step.fired, over.any(0))
    assert 0 < float(step.l0) == pytest.approx(float(over.sum(1).double().mean()))


def test_it_is_saved_for_unscaled_activations():
    p, x = jumping(0.0), normal(50, 7, seed=9)
    found = JumpReLU().inference(p, factor=2.0, least=0.0)
    sae = JumpReLUSAE(SAEConfig(found.architecture, 7, 40, dtype="float64"), found.tensors)
    h = (2 * x - p.b_dec) @ p.encoder.T + p.b_enc
    z = h * (h > p.log_threshold.exp())
    torch.testing.assert_close(sae(x), (z @ p.decoder + p.b_dec) / 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty": "l1"}, "penalty is one of l0, tanh, got 'l1'"),
        ({"bandwidth": 0.0}, "bandwidth is over 0"),
        ({"sparsity": -1.0}, "sparsity is 0 or more"),
        ({"dead_coefficient": -1.0}, "dead_coefficient is 0 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        JumpReLU(**settings)
