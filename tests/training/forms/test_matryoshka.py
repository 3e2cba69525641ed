"""Matryoshka: the mean of the prefixes' errors, with autograd."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.training.forms import Matryoshka, Now
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors
from tests.training.forms.test_batchtopk import over_batch
from tests.training.forms.test_topk import sparse


def errors(p, x, form):
    z = over_batch((x - p.b_dec) @ p.encoder.T + p.b_enc, form.k)
    for size in form.sizes(len(p.b_enc)):
        xhat = z[:, :size] @ p.decoder[:size] + p.b_dec
        yield xhat, (xhat - x).square().sum() / deviations(x)


def naive(p, x, form, dead):
    found = list(errors(p, x, form))
    residual = (x - found[-1][0]).detach()
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    told = sparse(h[:, dead], form.k_aux) @ p.decoder[dead]
    aux = (told - residual).square().sum() / deviations(residual)
    return sum(each for _, each in found) / len(found) + form.aux_coefficient * aux


def test_gradients():
    form = Matryoshka(4, 3, 0.5, prefixes=(0.1, 0.5, 1.0))
    p, x, dead = tensors(40, 7), normal(50, 7, seed=9), some(40, 0.3)
    step = check_gradients(form, p, x, Now(dead), lambda p: naive(p, x, form, dead))
    found = [each for _, each in errors(p, x, form)]
    torch.testing.assert_close(step.fvu, found[-1])
    torch.testing.assert_close(step.loss, torch.stack(found).mean())
    z = over_batch((x - p.b_dec) @ p.encoder.T + p.b_enc, 4)
    assert torch.equal(step.fired, (z > 0).any(0)) and float(step.l0) == 4


@pytest.mark.parametrize("prefixes", [(), (0.5,), (0.5, 0.2, 1.0), (0.0, 1.0), (0.5, 1.0, 2.0)])
def test_prefixes_that_cannot_be(prefixes):
    with pytest.raises(InputError, match="prefixes are ascending shares"):
        Matryoshka(4, prefixes=prefixes)


def test_prefixes_that_a_width_forbids():
    with pytest.raises(InputError, match=r"of d_sae 10 are the sizes \[0, 1, 2, 5, 10\]"):
        Matryoshka(4).check(10)
