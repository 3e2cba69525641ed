"""What every architecture has in common."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError, NotAnSAE, ShapeMismatch
from saesteer.saes import ARCHITECTURES, TRANSCODERS, JumpReLUSAE, SAEConfig, TopKSAE
from saesteer.saes import sae as base
from saesteer.saes.config import NORMALISATIONS

SAES = ("standard", "gated", "topk", "jumprelu")
KINDS = (*SAES, *TRANSCODERS)
every_kind = pytest.mark.parametrize("kind", KINDS)
every_norm = pytest.mark.parametrize("norm", NORMALISATIONS)


def test_the_tables_hold_what_is_tested():
    assert set(ARCHITECTURES.names()) == set(KINDS)


@every_kind
@every_norm
def test_sparse_equals_dense(make_sae, x, kind, norm):
    sae = make_sae(kind, normalize_activations=norm)
    z, sparse = sae.encode(x), sae.encode_sparse(x)
    assert torch.equal(sparse.dense(), z)
    assert torch.equal(sparse.l0(), (z > 0).sum(-1))
    dense = sae.decode(z, like=x)
    torch.testing.assert_close(sae.decode_sparse(sparse, like=x), dense, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sae(x), dense, rtol=1e-5, atol=1e-4)


@every_kind
def test_chunks_change_nothing(make_sae, x, kind, monkeypatch):
    sae = make_sae(kind)
    whole = sae.encode_sparse(x).dense()
    sizes = []
    seen = sae.encoder_input
    monkeypatch.setattr(sae, "encoder_input", lambda part: sizes.append(len(part)) or seen(part))
    monkeypatch.setattr(base, "_CHUNK", 10 * sae.cfg.d_sae)
    torch.testing.assert_close(sae.encode_sparse(x).dense(), whole)
    assert sizes == [10, 10, 10, 6]


@every_kind
@every_norm
def test_latent_equals_the_columns_of_encode(make_sae, x, kind, norm):
    sae = make_sae(kind, normalize_activations=norm)
    z = sae.encode(x)
    often = int((z > 0).sum((0, 1)).argmax())
    ids = [often, 127, 0, often]
    z = z[..., ids]
    assert z.any()
    torch.testing.assert_close(sae.latent(x, ids), z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.latent(x, torch.tensor(ids)), z, rtol=1e-5, atol=1e-5)
    assert sae.latent(x, []).shape == (4, 9, 0)


@every_kind
@every_norm
def test_scale_is_what_one_unit_of_a_latent_adds(make_sae, x, kind, norm):
    sae = make_sae(kind, normalize_activations=norm)
    z = sae.encode(x)
    more = z.clone()
    more[..., 11] += 0.5
    added = sae.decode(more, like=x) - sae.decode(z, like=x)
    torch.testing.assert_close(added, 0.5 * sae.scale(x) * sae.direction(11), rtol=1e-3, atol=1e-3)


@every_kind
@every_norm
def test_no_token_and_a_token_of_zeros(make_sae, x, kind, norm):
    sae = make_sae(kind, normalize_activations=norm)
    assert sae(x[:0]).shape == (0, 9, sae.cfg.width_out)
    assert sae.encode_sparse(x[:0]).dense().shape == (0, 9, 128)
    assert sae(torch.zeros(2, 16)).isfinite().all()


@every_kind
def test_nan_is_not_hidden(make_sae, x, kind):
    x[0, 0, 0] = torch.nan
    xhat = make_sae(kind)(x)
    assert xhat[0, 0].isnan().all()
    assert xhat[0, 1:].isfinite().all()


@every_kind
def test_gradients_reach_the_activations(make_sae, x, kind):
    sae = make_sae(kind)
    grads = []
    for run in (sae, lambda y: sae.decode(sae.encode(y), like=y)):
        y = x.clone().requires_grad_()
        run(y).square().sum().backward()
        grads.append(y.grad)
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-2)
    assert not any(p.requires_grad for p in sae.parameters())


@pytest.mark.parametrize("norm", ["layer_norm", "constant_norm_rescale"])
def test_decoding_without_the_statistics_of_the_token_is_refused(make_sae, x, norm):
    sae = make_sae("standard", normalize_activations=norm)
    with pytest.raises(InputError, match="like=x"):
        sae.decode(sae.encode(x))


def test_wrong_width(make_sae, x):
    sae = make_sae("topk")
    for run in (sae, sae.pre, sae.scale, lambda y: sae.latent(y, [1])):
        with pytest.raises(ShapeMismatch, match=r"d_in is 16 .*\[4, 9, 12\]"):
            run(x[..., :12])


@pytest.mark.parametrize("ids", [[128], [-1]])
@every_kind
def test_a_latent_that_is_not_there(make_sae, x, kind, ids):
    sae = make_sae(kind)
    with pytest.raises(InputError, match="0 to 127"):
        sae.latent(x, ids)
    with pytest.raises(InputError, match="0 to 127"):
        sae.direction(ids[0])


def test_tensors_are_checked(make_sae):
    sae = make_sae("jumprelu")
    whole = dict(sae.named_parameters())
    less = {name: each for name, each in whole.items() if name != "threshold"}
    with pytest.raises(NotAnSAE, match="missing: threshold"):
        type(sae)(sae.cfg, less)
    with pytest.raises(NotAnSAE, match="not known: r_mag"):
        type(sae)(sae.cfg, {**whole, "r_mag": whole["b_enc"]})
    with pytest.raises(ShapeMismatch, match=r"W_enc is \[128, 16\]"):
        type(sae)(sae.cfg, {**whole, "W_enc": whole["W_enc"].T})
    with pytest.raises(NotAnSAE, match="b_dec holds values that are not finite"):
        type(sae)(sae.cfg, {**whole, "b_dec": whole["b_dec"].index_fill(0, torch.tensor([2]), torch.inf)})
    with pytest.raises(NotAnSAE, match="W_dec holds"):
        type(sae)(sae.cfg, {**whole, "W_dec": torch.ones(128, 16, dtype=torch.int64)})


def test_fingerprints_stay_what_they_are():
    """Specs and rankings hold them."""

    def numbers(*shape: int) -> torch.Tensor:
        return torch.arange(float(torch.Size(shape).numel())).reshape(shape) / 8

    tensors = {"W_enc": numbers(4, 8), "W_dec": numbers(8, 4), "b_enc": numbers(8), "b_dec": numbers(4)}
    topk = TopKSAE(SAEConfig("topk", 4, 8, k=2), tensors)
    cfg = SAEConfig("jumprelu", 4, 8, normalize_activations="layer_norm")
    jumprelu = JumpReLUSAE(cfg, {**tensors, "threshold": numbers(8)})
    assert (topk.fingerprint()[:12], jumprelu.fingerprint()[:12]) == ("ea1e6d36628c", "8881a38fc0a7")


@every_kind
def test_fingerprint_follows_the_meaning(make_sae, kind):
    one = make_sae(kind, model_name="a", metadata={"note": 1})
    assert one.fingerprint() == make_sae(kind, model_name="b").fingerprint()
    others = [
        make_sae(kind, seed=1),
        make_sae(kind, normalize_activations="layer_norm"),
        make_sae(kind, dtype="bfloat16"),
    ]
    if kind in SAES:
        others.append(make_sae(kind, apply_b_dec_to_input=False))
    if "topk" in kind:
        others += [make_sae(kind, k=6), make_sae(kind, postact="tanh")]
    prints = {each.fingerprint() for each in [one, *others]}
    assert len(prints) == 1 + len(others)
    assert all(len(each) == 64 for each in prints)


@every_kind
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_dtypes(make_sae, x, kind, dtype):
    sae = make_sae(kind, dtype=dtype)
    xhat = sae(x)
    assert xhat.dtype == sae.cfg.torch_dtype
    near = {"bfloat16": 2.0, "float16": 0.2, "float64": 1e-10}[dtype]
    torch.testing.assert_close(xhat, sae.decode(sae.encode(x), like=x), rtol=0.05, atol=near)
