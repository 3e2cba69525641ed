"""Checkpoints of training on whitened activations: xhat = SAE((x - mean) M) M^-1 + mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from saesteer.errors import NotAnSAE
from saesteer.saes import load_sae
from tests.saes import plain
from tests.saes.foreign import D, sae_lens

KINDS = [("standard", False), ("gated", False), ("jumprelu", False)]
KINDS += [
    (kind, rescale) for kind in ("topk", "batchtopk", "matryoshka_batchtopk") for rescale in (True, False)
]


def whiten(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    draw = torch.Generator().manual_seed(11)
    matrix = torch.eye(D) + 0.2 * torch.randn(D, D, generator=draw)
    mean = torch.randn(D, generator=draw)
    white = {"mean": mean, "matrix": matrix, "inverse_matrix": matrix.double().inverse().contiguous()}
    save_file(white, folder / "activation_whitening.safetensors")
    return mean.double().numpy(), matrix.double().numpy()


@pytest.mark.parametrize("apply_b_dec", [True, False])
@pytest.mark.parametrize(("kind", "rescale"), KINDS)
def test_folded_in(tmp_path, kind, rescale, apply_b_dec):
    sae_lens(tmp_path, kind, "covariance_whitening", apply_b_dec, rescale, torch.float64)
    mean, matrix = whiten(tmp_path)
    cfg = {**json.loads((tmp_path / "cfg.json").read_text()), "normalize_activations": "none"}
    arrays = {name: each.numpy() for name, each in load_file(tmp_path / "sae_weights.safetensors").items()}
    x = 2 * torch.randn(50, D, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    z, xhat = plain.sae_lens(cfg, arrays, (x.numpy() - mean) @ matrix)
    assert np.count_nonzero(z)
    sae = load_sae(tmp_path)
    assert sae.cfg.normalize_activations == "none"
    assert np.abs(sae.encode(x).numpy() - z).max() <= 1e-5 * np.abs(z).max()
    assert np.abs(sae(x).numpy() - (xhat @ np.linalg.inv(matrix) + mean)).max() <= 1e-5 * np.abs(xhat).max()


def test_a_whitening_of_another_width(tmp_path):
    sae_lens(tmp_path, "topk", "covariance_whitening")
    whiten(tmp_path)
    white = load_file(tmp_path / "activation_whitening.safetensors")
    save_file({**white, "mean": white["mean"][:-1].clone()}, tmp_path / "activation_whitening.safetensors")
    with pytest.raises(NotAnSAE, match="has mean, matrix and inverse_matrix for a width of 16"):
        load_sae(tmp_path)


@pytest.mark.parametrize(
    ("factor", "fine"), [(0.5, True), (None, True), ("2", False), (0, False), (-1, False)]
)
def test_the_factor_of_a_checkpoint(tmp_path, factor, fine):
    sae_lens(tmp_path, "topk", "expected_average_only_in")
    plainly = load_sae(tmp_path)
    (tmp_path / "activation_scaler.json").write_text(json.dumps({"scaling_factor": factor}))
    if not fine:
        with pytest.raises(NotAnSAE, match="number"):
            load_sae(tmp_path)
        return
    x = torch.randn(20, D, generator=torch.Generator().manual_seed(2))
    times = factor or 1
    torch.testing.assert_close(load_sae(tmp_path).encode(x), plainly.encode(x * times))
    torch.testing.assert_close(load_sae(tmp_path)(x), plainly(x * times) / times, rtol=1e-4, atol=1e-4)
