"""Dead latents begin anew along what is told worst."""

import torch

from saesteer.training import Condition, ReLU, TrainConfig, Trainer, train_sae
from saesteer.training.resample import resample
from tests.training.forms.dense import normal, some, tensors
from tests.training.test_trainer import shifting


def test_new_rows_point_along_the_worst_residuals():
    p, x = tensors(24, 7), normal(50, 7, seed=9)
    x[13] *= 100  # its squared error's square is nearly all of the sum
    p.encoder.mul_(1e-3)
    before, dead = p.decoder.clone(), some(24, 0.2)
    length = 0.2 * p.encoder[~dead].norm(dim=-1).mean()
    residual = x[13] - p.b_dec - ((x[13] - p.b_dec) @ p.encoder.T + p.b_enc).relu() @ p.decoder
    ids = resample(p, x, dead, seed=1)
    assert torch.equal(ids, dead.nonzero().squeeze(1)) and len(ids) > 2
    assert torch.equal(p.decoder[~dead], before[~dead])
    found = p.decoder[ids] @ torch.nn.functional.normalize(residual, dim=0)
    torch.testing.assert_close(found.max(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(p.decoder[ids].norm(dim=-1), torch.ones(len(ids), dtype=torch.float64))
    torch.testing.assert_close(p.encoder[ids], p.decoder[ids] * length)
    assert not p.b_enc[ids].any()


def test_nobody_dead_and_nothing_left():
    p, x = tensors(24, 7), normal(50, 7, seed=9)
    assert len(resample(p, x, some(24, 0.0), seed=1)) == 0
    p.decoder.zero_()
    assert len(resample(p, p.b_dec.expand(5, 7).clone(), some(24, 0.5), seed=1)) == 0


def test_it_brings_the_dead_back():
    """Few atoms at first, so that many latents die; later all of them."""
    found = {}
    for every in (None, 128 * 50):
        form = ReLU(l1=2.0, resample_tokens=every)
        config = TrainConfig(
            d_sae=96, tokens=128 * 550, lr=1e-2, dead_after_tokens=128 * 40, report_tokens=128 * 25, form=form
        )
        found[every] = train_sae(shifting(), config).metrics
    plain, resampled = found[None], found[128 * 50]
    assert [each.dead > 0.3 for each in plain[3:6]] == [True] * 3
    assert resampled[3].dead == resampled[5].dead == 0 and resampled[4].dead < 0.2
    assert resampled[-1].loss < 1.1 * plain[-1].loss


def test_conditioned_latents_keep_what_they_learnt():
    """A concept that is rare leaves its latent silent; it is not the reconstruction's to give away."""
    condition = Condition(("rare",), weight=1.0)
    form = ReLU(l1=2.0, resample_tokens=128)
    config = TrainConfig(d_sae=96, tokens=128 * 9, dead_after_tokens=128, form=form, condition=condition)
    trainer = Trainer(config, {"hook_name": "", "model_name": "", "metadata": {}})
    batches = shifting()
    trainer.take(next(batches), torch.zeros(128, 1))
    trainer.p.b_enc.fill_(-100)  # everyone is silent from now on
    trainer.take(next(batches), torch.zeros(128, 1))
    assert float(trainer.p.b_enc[0]) < -90
    assert (trainer.p.b_enc[1:] == 0).all() and trainer.silent[0] >= 128
