"""SCAR's layout as it is written here, the SAE alone."""

from __future__ import annotations

import json

import pytest

from saesteer.errors import InputError, NotAnSAE
from saesteer.saes import load_sae, recognise
from saesteer.saes.loaders import scar
from tests.saes.foreign import MADE

NORM = {"normalize_activations": "layer_norm"}
KINDS = [("topk", {"postact": each}) for each in ("relu", "sigmoid", "tanh")]
KINDS += [("topk", {"k": 128, "postact": "identity"}), ("standard", {}), ("jumprelu", {"dtype": "float64"})]


@pytest.mark.parametrize(("kind", "fields"), KINDS)
@pytest.mark.parametrize("hook", ["layers.3", "layers.3.mlp", "layers.3.attn"])
def test_there_and_back(make_sae, x, tmp_path, kind, fields, hook):
    sae = make_sae(kind, hook_name=hook, model_name="some/llama", **NORM, **fields)
    scar.write(tmp_path, sae)
    assert recognise(tmp_path).format == "scar"
    again = load_sae(tmp_path)
    assert (again.cfg.hook_name, again.cfg.model_name) == (hook, "some/llama")
    assert (again(x) - sae(x)).abs().max() < 1e-5
    assert again.fingerprint() == sae.fingerprint() or kind == "jumprelu"  # exp(log(threshold))


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("topk", {}, "normalize_activations 'layer_norm'"),
        ("topk", {**NORM, "apply_b_dec_to_input": False}, "apply_b_dec_to_input"),
        ("gated", NORM, "no gated"),
        ("topk", {**NORM, "postact": "identity"}, "no topk with identity"),
        ("skip_transcoder", NORM, "SCAR's layout holds SAEs"),
        ("topk", {**NORM, "hook_name": "layers.3.mlp.act"}, "knows layers.N"),
        ("topk", {**NORM, "hook_name": "layers.x"}, "knows layers.N"),
    ],
)
def test_what_has_no_place_in_it(make_sae, tmp_path, kind, fields, message):
    with pytest.raises(InputError, match=message):
        scar.write(tmp_path / "folder", make_sae(kind, **{"hook_name": "layers.1", **fields}))
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"activation": "gelu"}, "unknown activation of SCAR 'gelu'"),
        ({"site": "embed"}, "unknown site of SCAR 'embed'"),
        ({"hook_block_num": -1}, "number of a block, got -1"),
        ({"activation_k": None}, "activation_k is a whole number"),
    ],
)
def test_configs_that_do_not_hold(tmp_path, fields, message):
    made = MADE["scar-topk"](tmp_path)
    config = json.loads((made.path / "config.json").read_text())
    (made.path / "config.json").write_text(json.dumps({**config, **fields}))
    with pytest.raises(NotAnSAE, match=message):
        load_sae(made.path)


def test_a_language_model_alone_is_no_sae(tmp_path):
    made = MADE["scar-topk"](tmp_path)
    index = made.path / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    kept = {name: file for name, file in places.items() if not name.startswith("SAE.")}
    index.write_text(json.dumps({"weight_map": kept}))
    with pytest.raises(NotAnSAE, match="is not an SAE"):
        load_sae(made.path)
