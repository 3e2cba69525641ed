"""BatchTopK: selection over the batch, gradients, the threshold that is saved."""

from __future__ import annotations

import pytest
import torch

from saesteer.saes import JumpReLUSAE, SAEConfig
from saesteer.training import TrainConfig, Trainer, evaluate_sae, train_sae
from saesteer.training.forms import BatchTopK, Matryoshka, Now
from saesteer.training.forms.batchtopk import largest_of_batch
from tests.training.forms.dense import check_gradients, deviations, normal, some, tensors
from tests.training.forms.test_topk import sparse
from tests.training.test_group import Planted


def over_batch(h: torch.Tensor, k: int) -> torch.Tensor:
    return sparse(h.reshape(1, -1), k * len(h)).reshape(h.shape)


def naive(p, x, form, dead, z_of=over_batch):
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    xhat = z_of(h, form.k) @ p.decoder + p.b_dec
    residual = (x - xhat).detach()
    told = sparse(h[:, dead], min(form.k_aux, int(dead.sum()))) @ p.decoder[dead]
    aux = (told - residual).square().sum() / deviations(residual)
    return (xhat - x).square().sum() / deviations(x) + form.aux_coefficient * aux


@pytest.mark.parametrize("bias", [0.0, -9.0])  # the second leaves fewer positive ones than are wanted
def test_gradients(bias):
    form = BatchTopK(4, 3, 0.5)
    p, x, dead = tensors(40, 7), normal(50, 7, seed=9), some(40, 0.3)
    p.b_enc.add_(bias)
    step = check_gradients(form, p, x, Now(dead), lambda p: naive(p, x, form, dead))
    z = over_batch((x - p.b_dec) @ p.encoder.T + p.b_enc, 4)
    assert torch.equal(step.fired, (z > 0).any(0))
    assert float(step.l0) == pytest.approx(float((z > 0).sum(1).double().mean()))
    assert float(step.least) == pytest.approx(float(z[z > 0].min()))
    assert len((z > 0).sum(1).unique()) > 1 and (float(step.l0) == 4) == (bias == 0)


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_are_found_whatever_the_sample_says(seed):
    h = normal(200, 30, seed=seed)
    h[:: 200 // 64] += 5 * (seed % 3)  # the tokens that are looked at first are unlike the others
    tokens, latents, values = largest_of_batch(h, 3)
    z = over_batch(h, 3)
    assert torch.equal(torch.zeros_like(h).index_put((tokens, latents), values), z)
    assert torch.equal(tokens, tokens.sort().values) and len(tokens) == 600


def test_no_latent_at_all():
    p, x = tensors(40, 7), normal(50, 7, seed=9)
    p.b_enc.sub_(1e3)
    step = BatchTopK(4).step(p, x, Now(some(40, 0.0)))
    assert step.least is None and float(step.l0) == 0 and not step.fired.any()
    assert float(step.fvu) > 0 and float(step.gradients.encoder.abs().max()) == 0


def test_what_is_saved_keeps_what_is_over_the_threshold():
    p, x = tensors(40, 7), normal(50, 7, seed=9)
    found = BatchTopK(4).inference(p, factor=2.0, least=0.5)
    sae = JumpReLUSAE(SAEConfig(found.architecture, 7, 40, dtype="float64"), found.tensors)
    h = (2 * x - p.b_dec) @ p.encoder.T + p.b_enc
    torch.testing.assert_close(sae(x), (h * (h > 0.5) @ p.decoder + p.b_dec) / 2)


@pytest.mark.parametrize("form", [BatchTopK(4), Matryoshka(4)], ids=lambda form: form.name)
def test_what_is_saved_is_as_sparse_and_as_good_as_what_was_trained(form):
    """One threshold in place of a batch: on tokens never seen, L0 is near k and FVU near that of training."""
    config = TrainConfig(d_sae=96, tokens=128 * 600, form=form, lr=3e-3, report_tokens=128 * 100)
    batches = [
        batch.activations["layers.0"] for batch, _ in zip(Planted().after(0), range(600), strict=False)
    ]
    result = train_sae(batches, config)
    fresh = [b.activations["layers.0"] for b, _ in zip(Planted().after(10**6), range(16), strict=False)]
    quality, last = evaluate_sae(result.sae, fresh), result.metrics[-1]
    assert result.sae.cfg.architecture == "jumprelu"
    assert quality.l0 == pytest.approx(4, rel=0.1)
    assert quality.fvu == pytest.approx(last.fvu, rel=0.15)


def test_a_batch_that_keeps_nothing_leaves_the_threshold():
    trainer = Trainer(
        TrainConfig(d_sae=40, tokens=10_000, form=BatchTopK(4)),
        {"hook_name": "", "model_name": "", "metadata": {}},
    )
    trainer.take(torch.randn(50, 7, generator=torch.Generator().manual_seed(0)))
    before = trainer.least
    trainer.p.b_enc.sub_(1e3)
    trainer.take(torch.randn(50, 7, generator=torch.Generator().manual_seed(1)))
    assert trainer.least == before > 0
