"""fvu means what it says, and the stream gives what the whole gives."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes import ReLUSAE, SAEConfig, TopKSAE
from saesteer.training import evaluate_sae, fvu


def _sae(d_in: int = 8, d_sae: int = 32, **fields: object) -> TopKSAE:
    draw = torch.Generator().manual_seed(0)
    decoder = torch.randn(d_sae, d_in, generator=draw)
    tensors = {"W_enc": decoder.T * 0.2, "W_dec": decoder, "b_enc": torch.zeros(d_sae)}
    tensors |= {"b_dec": torch.randn(d_in, generator=draw)}
    return TopKSAE(SAEConfig("topk", d_in, d_sae, k=4, **fields), tensors)


def test_fvu_by_hand():
    x = torch.tensor([[0.0, 0], [2, 0], [4, 6]])  # mean (2, 2): deviations 8 + 4 + 20
    assert fvu(x, x) == 0
    assert fvu(x, x.mean(0).expand_as(x)) == pytest.approx(1)
    assert fvu(x, torch.zeros_like(x)) == pytest.approx((4 + 16 + 36) / 32)
    assert fvu(x[:, None], torch.zeros(3, 1, 2)) == pytest.approx(56 / 32)
    assert fvu(torch.ones(3, 2), torch.zeros(3, 2)) == float("inf")
    with pytest.raises(ShapeMismatch, match=r"\[3, 2\] but xhat is \[2, 2\]"):
        fvu(x, x[:2])


@pytest.mark.parametrize("norm", ["none", "layer_norm"])
def test_batches_are_one_set(norm):
    sae = _sae(normalize_activations=norm)
    x = (
        torch.randn(300, 8, generator=torch.Generator().manual_seed(1)) * 0.1 + 1000
    )  # far off: sums must hold
    if norm == "none":
        sae.b_dec += 1000
    sizes = [1, 99, 150, 50]
    got = evaluate_sae(sae, x.split(sizes))
    z = sae.encode(x)
    xhat = sae.decode(z, like=x)
    assert got.fvu == pytest.approx(fvu(x, xhat), rel=1e-6)
    assert got.explained == 1 - got.fvu
    assert got.l0 == pytest.approx(float((z > 0).sum(1).double().mean()))
    assert got.dead == pytest.approx(float((~(z > 0).any(0)).double().mean()))
    assert got.cosine == pytest.approx(float(torch.cosine_similarity(x, xhat).mean()), abs=1e-6)
    assert got.tokens == 300


def test_nothing_to_measure():
    with pytest.raises(InputError, match="no activations"):
        evaluate_sae(_sae(), [])


def test_latents_under_0_are_active_too():
    sae = _sae(postact="identity")
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    sae.b_enc -= 100  # all under 0
    got = evaluate_sae(sae, [x])
    assert got.l0 == 4 and got.dead == pytest.approx(float((sae.encode(x) == 0).all(0).double().mean()))


def test_a_transcoder_is_measured_on_what_it_says():
    plain, draw = _sae(), torch.Generator().manual_seed(2)
    cfg = SAEConfig("transcoder", 8, 32, d_out=3, hook_name_out="layers.1.mlp", apply_b_dec_to_input=False)
    tensors = {"W_dec": torch.randn(32, 3, generator=draw), "b_dec": torch.zeros(3)}
    sae = ReLUSAE(cfg, {"W_enc": plain.W_enc, "b_enc": plain.b_enc} | tensors)
    x, noise = torch.randn(60, 8, generator=draw), torch.randn(60, 3, generator=draw)
    y = sae(x) + noise
    got = evaluate_sae(sae, x.split(20), y.split(20))
    assert got.fvu == pytest.approx(fvu(y, sae(x)), rel=1e-6)
    assert got.cosine == pytest.approx(float(torch.cosine_similarity(y, sae(x)).mean()), abs=1e-6)
    with pytest.raises(InputError, match=r"transcoder, which says what layers\.1\.mlp is, not its input"):
        evaluate_sae(sae, [x])
    with pytest.raises(ShapeMismatch, match=r"targets are \[60, 8\] but 60 tokens and d_out 3"):
        evaluate_sae(sae, [x], [x])
