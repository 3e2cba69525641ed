"""Drift of latents: as encoded one text and one strength at a time; targets left out."""

import numpy as np
import pytest
import torch

from saesteer.errors import InputError
from saesteer.evaluation import drifts
from saesteer.evaluation.drift import targets_of
from saesteer.saes import ReLUSAE, SAEConfig
from saesteer.steering import Intervention, SAERef, SteeringSpec, Strength, TensorRef, steer

TEXTS = ["one two three", "sea ship sail wave", "four five six seven bell"]
STRENGTHS = [0.0, 0.5, 3.0]


@pytest.fixture(scope="module")
def sae():
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(16, 24, generator=draw),
        "W_dec": torch.randn(24, 16, generator=draw),
        "b_enc": torch.zeros(24),
        "b_dec": torch.zeros(16),
    }
    return ReLUSAE(SAEConfig("standard", 16, 24, hook_name="layers.1"), tensors)


def encoded(lm, sae, spec, strength, text, prompt=""):
    tokens = lm.tokenize([prompt + text])
    start = len(lm.tokenize([prompt]).ids[0]) if prompt else 1
    with steer(lm, spec.with_strength(strength)):
        return sae.encode(lm.record(tokens, ["layers.1"], torch.tensor([start]))["layers.1"][0, start:])


@pytest.mark.parametrize("batch_tokens", [6, 16384])
def test_every_setting_on_every_text_as_one_by_one(lm, spec, sae, batch_tokens, monkeypatch):
    monkeypatch.setattr(lm, "batch_tokens", batch_tokens)
    found = drifts(lm, spec, STRENGTHS, sae, TEXTS, targets=[3, 7])
    off = [i for i in range(24) if i not in (3, 7)]
    for strength, each in zip(STRENGTHS, found, strict=True):
        pairs = [(encoded(lm, sae, spec, 0.0, t), encoded(lm, sae, spec, strength, t)) for t in TEXTS]
        gaps = [(b - a).abs() for a, b in pairs]
        assert each.absolutes == pytest.approx([float(g[:, off].sum()) for g in gaps], abs=1e-3)
        assert each.squares == pytest.approx([float((g[:, off] ** 2).sum()) for g in gaps], abs=1e-3)
        assert each.tokens == (3, 4, 5)
        sums = [sum(p[side].sum(0) for p in pairs) for side in (0, 1)] + [sum(g.sum(0) for g in gaps)]
        np.testing.assert_allclose(each.latents, torch.stack(sums).numpy(), atol=1e-3)
    assert found[0].absolute == pytest.approx(0, abs=1e-5)
    assert all(each.absolute < 1e-5 for each in found[0].most_changed())
    assert 0 < found[1].absolute < found[2].absolute and found[2].share > found[1].share


def test_the_most_changed_are_named_with_their_figures(lm, spec, sae):
    (free,) = drifts(lm, spec, [3.0], sae, TEXTS)
    first, second = free.most_changed(2)
    mean = free.latents / 12
    assert first.latent == int(mean[2].argmax()) and first.absolute >= second.absolute
    assert first.change == pytest.approx(mean[1, first.latent] - mean[0, first.latent])
    (told,) = drifts(lm, spec, [3.0], sae, TEXTS, targets=[first.latent])
    assert told.most_changed(1)[0] == second and told.most_changed(1, targets=True)[0] == first
    lost = sum(free.absolutes) - sum(told.absolutes)
    assert lost == pytest.approx(12 * first.absolute)


def test_intervals_and_prompts(lm, spec, sae):
    texts, prompts = [" sail wave", " six seven bell"], ["sea ship", "four five"]
    (found,) = drifts(lm, spec, [2.0], sae, texts, prompts)
    assert found.tokens == (2, 3)
    for name in ("absolute", "squared", "share"):
        interval = found.interval(name)
        assert interval.estimate == pytest.approx(getattr(found, name))
        assert interval.low <= interval.estimate <= interval.high and interval.low < interval.high


def test_targets_are_those_that_the_spec_names_of_this_sae(sae):
    ref = SAERef(sha256=sae.fingerprint())
    edit = Intervention("layers.1", "set_latents", sae="s", latents=((3, 4.0),))
    add = Intervention("layers.1", "add", tensor="v", strength=Strength(1.0))
    spec = SteeringSpec((edit, add), {"v": TensorRef(sae="s", latents=((7, 1.0),))}, {"s": ref})
    assert targets_of(spec, sae) == (3, 7)
    other = SteeringSpec((edit,), saes={"s": SAERef(sha256="0" * 64)})
    assert targets_of(other, sae) == () and targets_of(other, sae, {"s": sae}) == (3,)


def test_what_cannot_be_meant(lm, spec, sae):
    with pytest.raises(InputError, match="targets are latents from 0 to 23"):
        drifts(lm, spec, [1.0], sae, TEXTS, targets=[24])
