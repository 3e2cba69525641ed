"""The config refuses what cannot be, and reads every age of cfg.json."""

from __future__ import annotations

import pytest

from saesteer.errors import InputError
from saesteer.saes import SAEConfig

TODAY = {
    "architecture": "topk",
    "d_in": 8,
    "d_sae": 32,
    "dtype": "float32",
    "device": "cuda:0",
    "apply_b_dec_to_input": False,
    "normalize_activations": "layer_norm",
    "reshape_activations": "none",
    "k": 4,
    "rescale_acts_by_decoder_norm": True,
    "metadata": {
        "sae_lens_version": "6.54.12",
        "model_name": "gpt2-small",
        "hook_name": "blocks.5.hook_resid_post",
        "hook_head_index": None,
        "prepend_bos": True,
    },
}


def test_todays_file():
    cfg = SAEConfig.from_dict(TODAY)
    assert (cfg.architecture, cfg.k, cfg.d_in, cfg.d_sae) == ("topk", 4, 8, 32)
    assert (cfg.model_name, cfg.hook_name) == ("gpt2-small", "blocks.5.hook_resid_post")
    assert (cfg.apply_b_dec_to_input, cfg.normalize_activations) == (False, "layer_norm")
    assert cfg.metadata["prepend_bos"] is True
    assert cfg.to_dict() == {**TODAY, "device": "cpu"}
    assert SAEConfig.from_dict(cfg.to_dict()).to_dict() == cfg.to_dict()


def test_a_file_before_version_6():
    cfg = SAEConfig.from_dict(
        {
            "model_name": "gpt2-small",
            "hook_point": "blocks.5.attn.hook_z",
            "hook_point_head_index": None,
            "d_in": 8,
            "d_sae": 32,
            "activation_fn_str": "topk",
            "activation_fn_kwargs": {"k": 3},
            "normalize_activations": False,
            "dtype": "torch.bfloat16",
            "context_size": 128,
            "lr": 0.0004,
        }
    )
    assert (cfg.architecture, cfg.k, cfg.dtype) == ("topk", 3, "bfloat16")
    assert (cfg.hook_name, cfg.reshape_activations) == ("blocks.5.attn.hook_z", "hook_z")
    assert cfg.normalize_activations == "none"
    assert cfg.apply_b_dec_to_input is True
    assert cfg.metadata == {"context_size": 128}
    assert SAEConfig.from_dict({"d_in": 8, "d_sae": 8, "normalize_activations": True}) == SAEConfig(
        "standard", 8, 8, normalize_activations="expected_average_only_in"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_in": 0}, "d_in is a whole number"),
        ({"d_sae": "64"}, "d_sae is a whole number"),
        ({"d_in": True}, "d_in is a whole number"),
        ({"k": None}, "k is a whole number"),
        ({"k": 33}, "k is 33 but d_sae is only 32"),
        ({"architecture": "standard"}, "for architecture 'topk'"),
        ({"architecture": "standard", "k": None, "rescale_acts_by_decoder_norm": True}, "rescale_acts"),
        ({"normalize_activations": "covariance_whitening"}, "normalize_activations is one of"),
        ({"reshape_activations": "hook_q"}, "reshape_activations is one of"),
        ({"postact": "gelu"}, "postact is one of relu, sigmoid, tanh, identity"),
        ({"architecture": "jumprelu", "k": None, "postact": "tanh"}, "for architecture 'topk'"),
        ({"d_out": 8}, "d_out and hook_name_out are for transcoders"),
        ({"dtype": "int8"}, "dtype is one of"),
    ],
)
def test_what_cannot_be(change, message):
    with pytest.raises(InputError, match=message):
        SAEConfig(**{"architecture": "topk", "d_in": 8, "d_sae": 32, "k": 4, **change})


@pytest.mark.parametrize("field", ["d_in", "d_sae"])
def test_a_missing_width(field):
    with pytest.raises(InputError, match=f"the field {field} is missing"):
        SAEConfig.from_dict({name: value for name, value in TODAY.items() if name != field})


def test_a_postact_is_in_the_architecture_that_others_read():
    cfg = SAEConfig("topk", 8, 32, k=4, postact="tanh")
    assert cfg.to_dict()["architecture"] == "topk_tanh"
    assert SAEConfig.from_dict(cfg.to_dict()).postact == "tanh"


def test_about_says_what_the_fields_say():
    cfg = SAEConfig(architecture="topk", d_in=4, d_sae=9, k=3, hook_name="layers.1")
    assert cfg.about == {
        "architecture": "topk",
        "d_in": 4,
        "d_sae": 9,
        "d_out": cfg.d_out,
        "k": 3,
        "hook_name": "layers.1",
        "hook_name_out": None,
        "model_name": None,
        "normalize_activations": "none",
        "dtype": "float32",
    }
