"""TopK: which latents are chosen, the fast selection, the rescaled form."""

from __future__ import annotations

import pytest
import torch

from saesteer.saes import SAEConfig, TopKSAE


def test_the_k_largest_where_positive(make_sae, x):
    sae = make_sae("topk")
    h, z = sae.pre(x), sae.encode(x)
    kth = h.sort(descending=True).values[..., 4:5]
    assert torch.equal(z, torch.where(h >= kth, h, 0).relu())
    assert int(z.count_nonzero(-1).max()) == 5
    low = TopKSAE(sae.cfg, {**dict(sae.named_parameters()), "b_enc": sae.b_enc - 1e4})
    assert not low.encode(x).any()
    assert torch.equal(low(x), low.b_dec.expand_as(x))


def test_a_latent_below_the_row_s_threshold_is_zero(make_sae, x):
    sae = make_sae("topk")
    every = sae.latent(x, range(128))
    assert torch.equal(every, sae.encode(x))
    h = sae.pre(x)
    assert ((h > 0) & (every == 0)).any()  # positive, yet not among the k largest


def test_rescaling_by_decoder_norms_is_folded_in(x):
    draw = torch.Generator().manual_seed(3)
    cfg = SAEConfig("topk", 16, 64, k=4, rescale_acts_by_decoder_norm=True)
    t = {
        "W_enc": torch.randn(16, 64, generator=draw),
        "W_dec": torch.randn(64, 16, generator=draw) * torch.rand(64, 1, generator=draw) * 3,
        "b_enc": torch.randn(64, generator=draw),
        "b_dec": torch.randn(16, generator=draw),
    }
    norm = t["W_dec"].norm(dim=-1)
    h = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * norm
    z = torch.where(h >= h.topk(4).values[..., -1:], h, 0).relu()
    sae = TopKSAE(cfg, t)
    torch.testing.assert_close(sae.encode(x), z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sae(x), (z / norm) @ t["W_dec"] + t["b_dec"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sae.direction(5), t["W_dec"][5] / norm[5])
    assert sae.cfg.rescale_acts_by_decoder_norm is False


def test_the_sae_of_scar_step_by_step(make_sae, x):
    """scar.md section 1: mu, s unbiased, 1e-5 added to s on the way in alone, b_pre after the norm."""
    sae = make_sae("topk", normalize_activations="layer_norm").double()
    x = x.double()
    mu = x.mean(-1, keepdim=True)
    s = (x - mu).std(-1, keepdim=True)
    z = ((x - mu) / (s + 1e-5) - sae.b_dec) @ sae.W_enc + sae.b_enc
    h = torch.where(z >= z.sort(descending=True).values[..., 4:5], z, 0).relu()
    torch.testing.assert_close(sae.pre(x), z, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sae.encode(x), h, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sae(x), (h @ sae.W_dec + sae.b_dec) * s + mu, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("postact", ["sigmoid", "tanh", "identity"])
def test_another_function_on_the_k_largest(make_sae, x, postact):
    sae = make_sae("topk", k=100, postact=postact)  # k so large that some of them are negative
    h = sae.pre(x)
    chosen = h >= h.sort(descending=True).values[..., 99:100]
    f = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "identity": torch.Tensor.clone}[postact]
    assert (h[chosen] < 0).any()
    expected = torch.where(chosen, f(h), 0)
    sparse = sae.encode_sparse(x)
    for found in (sae.encode(x), sparse.dense()):  # a vector's end is computed otherwise than its middle
        torch.testing.assert_close(found, expected, rtol=5e-7, atol=0)
        assert torch.equal(found != 0, chosen)
    assert torch.equal(sparse.l0(), chosen.sum(-1))
    torch.testing.assert_close(sae.latent(x, [7, 90]), expected[..., [7, 90]])


@pytest.mark.parametrize("ids", [[0], [5, 3999, 255, 256], list(range(0, 4000, 800))], ids=len)
def test_few_latents_of_many_are_counted_block_by_block_and_agree_with_encode(ids):
    """Blocks of 256, 512, 1024, 2048 and the rest; tokens that leave early, late and never."""
    draw = torch.Generator().manual_seed(1)
    W_enc = torch.randn(48, 4000, generator=draw)
    W_enc[:, ids[0]] *= 3  # active at about every third token
    tensors = {"W_enc": W_enc, "W_dec": W_enc.T, "b_enc": torch.zeros(4000), "b_dec": torch.zeros(48)}
    sae = TopKSAE(SAEConfig(architecture="topk", d_in=48, d_sae=4000, k=16), tensors)
    x = torch.randn(700, 48, generator=draw)
    expected = sae.encode(x)[:, ids]
    assert 0.2 < (expected[:, 0] > 0).float().mean() < 0.6
    torch.testing.assert_close(sae.latent(x, ids), expected, rtol=1e-5, atol=1e-5)


def test_a_token_that_is_no_number_stays_visible_in_a_counted_latent(make_sae, x):
    x = x.clone()
    x[0, 0, 0] = float("nan")
    assert make_sae("topk").latent(x, [7])[0, 0].isnan().all()
