"""Transcoders: what they read and what they say lie in two spaces."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes import ARCHITECTURES, TRANSCODERS, SAEConfig
from saesteer.saes.transcoder import transcoder_of

every_transcoder = pytest.mark.parametrize("kind", TRANSCODERS)


@every_transcoder
def test_the_output_is_the_latents_rows_and_what_skips_them(make_sae, x, kind):
    sae = make_sae(kind)
    like = make_sae(TRANSCODERS[kind].activation, apply_b_dec_to_input=False)
    for name in set(like.shapes) - {"W_dec", "b_dec"}:
        getattr(like, name).data = getattr(sae, name).data
    z = sae.encode(x)
    assert torch.equal(z, like.encode(x))
    expected = z @ sae.W_dec + sae.b_dec
    if TRANSCODERS[kind].skip:
        expected = expected + torch.einsum("...i,oi->...o", x, sae.W_skip)
    assert expected.shape == (4, 9, 12)
    torch.testing.assert_close(sae(x), expected, rtol=1e-5, atol=1e-4)
    assert sae.direction(3).shape == (12,)
    assert torch.equal(sae.scale(x), torch.ones(4, 9, 1))


@every_transcoder
@pytest.mark.parametrize("norm", ["layer_norm", "constant_norm_rescale"])
def test_what_comes_in_is_normalised_and_what_goes_out_is_not(make_sae, x, kind, norm):
    sae, plain = make_sae(kind, normalize_activations=norm), make_sae(kind)
    centred = x - x.mean(-1, keepdim=True)
    seen = {
        "layer_norm": centred / (centred.std(-1, keepdim=True) + 1e-5),
        "constant_norm_rescale": x * 4 / x.norm(dim=-1, keepdim=True),
    }[norm]
    torch.testing.assert_close(sae.encode(x), plain.encode(seen), rtol=1e-4, atol=1e-4)
    assert torch.equal(sae.decode(sae.encode(x), like=x), plain.decode(sae.encode(x), like=x))


def test_a_skip_needs_the_token(make_sae, x):
    sae = make_sae("topk_skip_transcoder")
    with pytest.raises(InputError, match=r"takes x to its output too.*like=x"):
        sae.decode(sae.encode(x))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "standard"}, "d_out and hook_name_out are for transcoders, got 'standard'"),
        ({"d_out": None}, "d_out is a whole number"),
        ({"apply_b_dec_to_input": True}, "apply_b_dec_to_input is for SAEs"),
        ({"k": 3}, "k, postact and rescale_acts_by_decoder_norm are for architecture 'topk'"),
        ({"architecture": "topk_transcoder"}, "k is a whole number"),
        ({"architecture": "topk_transcoder", "k": 2, "rescale_acts_by_decoder_norm": True}, "rescale"),
    ],
)
def test_what_cannot_be(fields, message):
    whole = {"architecture": "transcoder", "d_in": 4, "d_sae": 8, "d_out": 6, "apply_b_dec_to_input": False}
    with pytest.raises(InputError, match=message):
        SAEConfig(**{**whole, **fields})


def test_tensors_of_another_output(make_sae):
    sae = make_sae("skip_transcoder")
    tensors = dict(sae.named_parameters())
    with pytest.raises(ShapeMismatch, match=r"W_skip is \[16, 12\] but d_in 16, d_out 12 and d_sae 128 make"):
        type(sae)(sae.cfg, {**tensors, "W_skip": tensors["W_skip"].T})


def test_every_transcoder_has_the_class_of_its_activation():
    for name, each in TRANSCODERS.items():
        assert ARCHITECTURES.get(name) is ARCHITECTURES.get(each.activation)
        assert transcoder_of(each.activation, each.skip) == name


def test_the_config_as_a_file(make_sae):
    cfg = make_sae("topk_skip_transcoder", hook_name="layers.1.mlp.in", hook_name_out="layers.1.mlp").cfg
    written = cfg.to_dict()
    assert (written["d_out"], written["metadata"]["hook_name_out"]) == (12, "layers.1.mlp")
    assert SAEConfig.from_dict(written).to_dict() == written
