"""The sparse gradients by hand against autograd over dense latents."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.training.forms import Now, TopK
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors


def sparse(values: torch.Tensor, k: int) -> torch.Tensor:
    top = values.topk(k)
    return torch.zeros_like(values).scatter(1, top.indices, top.values.relu())


def naive(p, x, form: TopK, dead, weights=None):
    """The loss as the paper has it, dense."""
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    token = 1 if weights is None else weights
    xhat = sparse(h, form.k) @ p.decoder + p.b_dec
    loss = (token * (xhat - x).square()).sum() / deviations(x, weights)
    if form.aux_coefficient and dead.any():
        residual = (x - xhat).detach()
        k_aux = min(form.k_aux or x.shape[1] // 2, int(dead.sum()))
        told = sparse(h[:, dead], k_aux) @ p.decoder[dead]
        aux = (token * (told - residual).square()).sum() / deviations(residual, weights)
        loss = loss + form.aux_coefficient * aux
    return loss


@pytest.mark.parametrize("d_sae", [24, 128])  # the second takes the grouped selection
@pytest.mark.parametrize(("dead_share", "k_aux"), [(0.0, 3), (0.3, 3), (0.3, 99), (1.0, 3), (0.4, None)])
def test_gradients(d_sae, dead_share, k_aux):
    form = TopK(4, k_aux, 0.5)
    p, x, dead = tensors(d_sae, 7), normal(50, 7, seed=9), some(d_sae, dead_share)
    step = check_gradients(form, p, x, Now(dead), lambda p: naive(p, x, form, dead))
    z = sparse((x - p.b_dec) @ p.encoder.T + p.b_enc, 4)
    torch.testing.assert_close(step.fvu + 0.5 * step.aux, naive(p, x, form, dead))
    assert bool(step.aux) == bool(dead.any()) and torch.equal(step.loss, step.fvu)
    assert torch.equal(step.fired, (z > 0).any(0))
    assert float(step.l0) == pytest.approx(float((z > 0).sum(1).double().mean()))


def test_tokens_may_weigh_differently():
    form = TopK(4, 3, 0.5)
    p, x, dead = tensors(24, 7), normal(50, 7, seed=9), some(24, 0.3)
    weights = normal(50, 1, seed=3).square()
    check_gradients(form, p, x, Now(dead, weights=weights), lambda p: naive(p, x, form, dead, weights))


def test_no_aux_without_a_coefficient():
    p, x = tensors(16, 5), normal(20, 5, seed=9)
    every, nobody = torch.ones(16, dtype=torch.bool), torch.zeros(16, dtype=torch.bool)
    form = TopK(3, 4, 0.0)
    with_dead, without = form.step(p, x, Now(every)), form.step(p, x, Now(nobody))
    for a, b in zip(with_dead.gradients.named().values(), without.gradients.named().values(), strict=True):
        assert torch.equal(a, b)
    assert float(with_dead.aux) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k is 1 or more"),
        ({"k": 1, "k_aux": 0}, "k_aux is 1 or more"),
        ({"k": 1, "aux_coefficient": -1.0}, "aux_coefficient is 0 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        TopK(**settings)
