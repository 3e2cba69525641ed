"""What Gemma Scope keeps in its paths: layer, site, model; and the embedding, which Gemma scales."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from saesteer.saes import load_sae
from tests.saes import plain
from tests.saes.foreign import MADE, D


def moved(root: Path, to: str) -> Path:
    made = MADE["gemma_scope-res"](root / "made")
    (root / to).parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.move(made.path, root / to))


@pytest.mark.parametrize(
    ("path", "hook_name", "model"),
    [
        ("gemma-scope-9b-pt-res/layer_9/width_131k/average_l0_12", "layers.9", "google/gemma-2-9b"),
        ("gemma-scope-9b-it-res/layer_31/width_16k/average_l0_14", "layers.31", "google/gemma-2-9b-it"),
        (
            "models--google--gemma-scope-2b-pt-att/snapshots/0a/layer_3/width_16k/l0",
            "layers.3.attn.heads",
            "google/gemma-2-2b",
        ),
        ("gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6", "embed", "google/gemma-2-2b"),
        ("layer_9/width_131k/average_l0_12", "", ""),
        ("mine", "", ""),
    ],
)
def test_names(tmp_path, path, hook_name, model):
    cfg = load_sae(moved(tmp_path, path)).cfg
    assert (cfg.hook_name, cfg.model_name) == (hook_name, model)


def test_the_embedding_is_scaled_by_the_model(tmp_path):
    folder = moved(tmp_path, "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6")
    x = torch.randn(30, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z, xhat = plain.gemma_scope(dict(np.load(folder / "params.npz")), x.numpy())
    sae = load_sae(folder, dtype="float64")
    assert np.abs(sae.encode(x * D**0.5).numpy() - z).max() < 1e-5
    assert np.abs(sae(x * D**0.5).numpy() - xhat * D**0.5).max() < 1e-4
