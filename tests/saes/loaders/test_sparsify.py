"""Folders that sparsify itself writes; runs where it is installed. The hookpoints of its folders' names."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

from saesteer.errors import NotAnSAE
from saesteer.saes import load_sae
from tests.saes.foreign import sparsify as written

KINDS = [(False, False), (True, False), (True, True)]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("transcode", "skip"), KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_it_writes_itself(tmp_path, transcode, skip, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparsify = pytest.importorskip("sparsify")
    cfg = sparsify.SparseCoderConfig(k=6, num_latents=64, transcode=transcode, skip_connection=skip)
    theirs = sparsify.SparseCoder(16, cfg, dtype=dtype)
    draw = torch.Generator().manual_seed(0)
    for each in theirs.parameters():
        each.data = torch.randn(each.shape, generator=draw).to(dtype)
    theirs.save_to_disk(tmp_path / "layers.2.mlp")
    ours = load_sae(tmp_path / "layers.2.mlp")
    assert ours.W_enc.dtype == dtype and ours.cfg.k == 6
    ours, theirs = ours.float(), theirs.float()
    x = torch.randn(30, 16, generator=draw)
    encoded = theirs.encode(x)
    z = torch.zeros(30, 64).scatter(1, encoded.top_indices, encoded.top_acts.detach())
    torch.testing.assert_close(ours.encode(x), z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours(x), theirs(x).sae_out.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("folder", "model", "expected"),
    [
        ("layers.5", "meta-llama/Llama-3", "layers.5"),
        ("layers.5.mlp", "meta-llama/Llama-3", "layers.5.mlp"),
        ("layers.5.mlp", "google/gemma-2-2b", "model.layers.5.mlp"),  # where our name means the norm after it
        ("layers.5", "google/gemma-2-2b", "layers.5"),
        ("layers.5.self_attn", "meta-llama/Llama-3", "layers.5.self_attn"),
        ("h.3", "gpt2", "layers.3"),
        ("h.3.mlp", "gpt2", "layers.3.mlp"),
        ("embed_tokens", "meta-llama/Llama-3", "embed"),
        ("my-sae", "gpt2", ""),
    ],
)
def test_hookpoints(tmp_path, folder, model, expected):
    made = written(tmp_path, folder=folder)
    (tmp_path / "config.json").write_text(json.dumps({"model": model}))
    cfg = load_sae(made.path).cfg
    assert (cfg.hook_name, cfg.model_name) == (expected, model)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"activation": "groupmax"}, "activation is 'groupmax'"),
        ({"signed": True}, "activation is 'signed topk'"),
        ({"skip_connection": True}, "skip connection without being a transcoder"),
        ({"num_latents": 0, "expansion_factor": None}, "expansion_factor is a whole number"),
    ],
)
def test_what_cannot_be_read(tmp_path, fields, message):
    made = written(tmp_path)
    cfg = json.loads((made.path / "cfg.json").read_text())
    (made.path / "cfg.json").write_text(json.dumps({**cfg, **fields}))
    with pytest.raises(NotAnSAE, match=message):
        load_sae(made.path)
