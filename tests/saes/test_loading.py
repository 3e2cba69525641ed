"""Folders: ours, sae_lens', broken ones."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saesteer.errors import CorruptFile, NotAnSAE, SaesteerError, ShapeMismatch, UnknownName
from saesteer.saes import ARCHITECTURES, SAES, TopKSAE, load_sae

KINDS = ARCHITECTURES.names()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_round_trip(make_sae, x, tmp_path, kind, dtype):
    sae = make_sae(kind, dtype=dtype, hook_name="layers.3", model_name="world", metadata={"seed": 4})
    sae.save(tmp_path / "a folder")
    again = load_sae(tmp_path / "a folder")
    assert again.fingerprint() == sae.fingerprint()
    assert (again.cfg.hook_name, again.cfg.model_name, again.cfg.metadata["seed"]) == ("layers.3", "world", 4)
    assert torch.equal(again(x), sae(x))
    assert sorted(each.name for each in (tmp_path / "a folder").iterdir()) == [
        "cfg.json",
        "sae_weights.safetensors",
    ]


def test_a_hand_made_folder(tmp_path):
    cfg = {"architecture": "topk", "d_in": 2, "d_sae": 3, "k": 1, "dtype": "float32", "unknown": [1]}
    cfg |= {"metadata": {"sae_lens_version": "6.1.0", "hook_name": "blocks.0.hook_resid_post"}}
    (tmp_path / "cfg.json").write_text(json.dumps(cfg))
    tensors = {
        "W_enc": torch.tensor([[1.0, 0, 1], [0, 1, 1]]),
        "W_dec": torch.tensor([[1.0, 0], [0, 1], [3, 4]]),
        "b_enc": torch.tensor([0.0, 0, -2]),
        "b_dec": torch.tensor([1.0, 1]),
        "scaling_factor": torch.ones(3),
    }
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    save_file({"sparsity": torch.zeros(3)}, tmp_path / "sparsity.safetensors")
    sae = load_sae(str(tmp_path))
    assert isinstance(sae, TopKSAE)
    assert sae.encode(torch.tensor([[2.0, 1], [4, 4]])).tolist() == [[1, 0, 0], [0, 0, 4]]
    assert sae(torch.tensor([[2.0, 1], [4, 4]])).tolist() == [[2, 1], [13, 17]]
    assert load_sae(tmp_path, dtype="float64").b_dec.dtype == torch.float64
    save_file({**tensors, "scaling_factor": 2 * torch.ones(3)}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(NotAnSAE, match="not known: scaling_factor"):
        load_sae(tmp_path)


def test_a_registered_name(make_sae, tmp_path):
    make_sae("topk").save(tmp_path)
    SAES.register("test/one", lambda: tmp_path)
    assert load_sae("test/one").fingerprint() == make_sae("topk").fingerprint()
    assert {"world/layers.3", "world/layers.4.attn"} <= set(SAES.names())


def test_what_is_no_sae(make_sae, tmp_path):
    with pytest.raises(NotAnSAE, match=r"did you mean 'world/layers\.3'"):
        load_sae("world/layer.3")
    with pytest.raises(NotAnSAE, match=r"a folder of no format that is known .*sparsify: a folder"):
        load_sae(tmp_path)
    (tmp_path / "cfg.json").write_text("[1]")
    with pytest.raises(
        NotAnSAE, match=r"sae_lens there is no sae_weights\.safetensors; for sparsify there is no"
    ):
        load_sae(tmp_path)
    with pytest.raises(NotAnSAE, match="a file of no format"):
        load_sae(tmp_path / "cfg.json")
    (tmp_path / "sae_weights.safetensors").write_bytes(b"")
    with pytest.raises(NotAnSAE, match="holds a list"):
        load_sae(tmp_path)
    make_sae("topk").save(tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'float32'"):
        load_sae(tmp_path, dtype="float_32")


def _change(folder: Path, **fields: object) -> None:
    cfg = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps({**cfg, **fields}))


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"architecture": "gatd"}, NotAnSAE, "unknown SAE architecture 'gatd'; did you mean 'gated'"),
        ({"activation_fn_kwargs": [1]}, NotAnSAE, "activation_fn_kwargs is a mapping"),
        ({"k": None}, NotAnSAE, "k is a whole number"),
        ({"d_in": None}, NotAnSAE, "d_in is a whole number"),
        ({"metadata": 3, "d_in": "x"}, NotAnSAE, "d_in"),
        ({"normalize_activations": "covariance_whitening"}, NotAnSAE, "there is no activation_whitening"),
        ({"normalize_activations": ["none"]}, NotAnSAE, "normalize_activations is one of"),
        ({"d_sae": 64}, ShapeMismatch, "make it"),
    ],
)
def test_configs_that_do_not_hold(make_sae, tmp_path, fields, error, message):
    make_sae("topk").save(tmp_path)
    _change(tmp_path, **fields)
    with pytest.raises(error, match=message):
        load_sae(tmp_path)


def test_torn_files(make_sae, tmp_path):
    make_sae("topk").save(tmp_path)
    weights = tmp_path / "sae_weights.safetensors"
    whole = weights.read_bytes()
    for part in (whole[:100], whole[:-8], b"\x80\x04pickle"):
        weights.write_bytes(part)
        with pytest.raises(CorruptFile, match="not a whole safetensors file"):
            load_sae(tmp_path)
    weights.write_bytes(whole)
    (tmp_path / "cfg.json").write_text("{")
    with pytest.raises(CorruptFile, match="not valid JSON"):
        load_sae(tmp_path)


def test_weights_that_are_not_finite(make_sae, tmp_path):
    make_sae("standard").save(tmp_path)
    tensors = load_file(tmp_path / "sae_weights.safetensors")
    tensors["W_dec"][3, 4] = torch.nan
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    with pytest.raises(NotAnSAE, match="W_dec holds values that are not finite"):
        load_sae(tmp_path)


def test_a_full_disk_leaves_the_old_sae(make_sae, tmp_path, monkeypatch):
    make_sae("topk").save(tmp_path)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SaesteerError, match="disk is full"):
        make_sae("topk", seed=1).save(tmp_path)
    assert load_sae(tmp_path).fingerprint() == make_sae("topk").fingerprint()
    assert len(list(tmp_path.iterdir())) == 2
