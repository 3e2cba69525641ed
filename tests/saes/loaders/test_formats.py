"""Every foreign format against the plain encoder of its specification."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from saesteer.saes import FORMATS, load_sae, recognise
from tests.saes.foreign import MADE, D

every = pytest.mark.parametrize("name", MADE)


def tokens(n: int = 40, seed: int = 5) -> torch.Tensor:
    return 2 * torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5


def test_every_format_is_here():
    assert {name.partition("-")[0] for name in MADE} == set(FORMATS.names())


@every
def test_encode_and_decode_are_those_of_the_specification(tmp_path, name):
    made = MADE[name](tmp_path)
    x = tokens()
    z, xhat = made.both(x.numpy())
    assert np.count_nonzero(z) > 0 and z.any(0).sum() > 10
    sae = load_sae(made.path, dtype="float64")
    assert np.abs(sae.encode(x).numpy() - z).max() <= 1e-5
    assert np.abs(sae(x).numpy() - xhat).max() <= 1e-5
    assert np.abs(sae.decode(sae.encode(x), like=x).numpy() - xhat).max() <= 1e-5
    assert sae.cfg.hook_name == made.hook_name and sae.cfg.architecture == made.architecture


@every
def test_in_the_files_own_precision(tmp_path, name):
    made = MADE[name](tmp_path)
    x = tokens()
    sae = load_sae(made.path)
    if "bfloat16" in name:  # in which other latents are among the k largest
        assert sae.cfg.dtype == "bfloat16" and sae(x).dtype == torch.bfloat16
        return
    assert sae.cfg.dtype == "float32"
    assert np.abs(sae(x).double().numpy() - made.both(x.numpy())[1]).max() <= 1e-4  # of numbers up to 50


@every
def test_what_is_recognised(tmp_path, name):
    made = MADE[name](tmp_path)
    found = recognise(made.path)
    assert (found.format, found.path) == (name.partition("-")[0], made.path)
    one = made.path / "model.safetensors.index.json" if name.startswith("scar") else made.weights
    assert found.about and recognise(one).path == made.path


@every
def test_saved_in_our_layout_it_stays_what_it_is(tmp_path, name):
    sae = load_sae(MADE[name](tmp_path / "theirs").path)
    sae.save(tmp_path / "ours")
    again = load_sae(tmp_path / "ours")
    assert again.fingerprint() == sae.fingerprint()
    assert again.cfg.to_dict() == sae.cfg.to_dict()
    assert recognise(tmp_path / "ours").format == "sae_lens"
    noted = sae.cfg.metadata.get("converted_from")
    assert noted == (None if name.startswith("sae_lens") else name.partition("-")[0])
    assert str(tmp_path) not in json.dumps(sae.cfg.to_dict())
