"""Latents like those of a report, found by what is at hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.cache import cache_of_matrix
from saesteer.examples import ExampleSettings, LatentId, Loader, neighbours
from saesteer.pipeline.interpretation import near as module
from saesteer.pipeline.interpretation.near import near
from tests.steering import tiny

NAME = "layers.1"
SETTINGS = ExampleSettings(
    length=4, train=4, test=4, negatives=4, silent_train=4, min_windows=2, neighbours=3
)
ASKED = [LatentId(NAME, 0), LatentId(NAME, 4)]


@pytest.fixture(scope="module")
def sae():
    return tiny.sae(hook_name=NAME)


@pytest.fixture(scope="module")
def cache(sae):
    """Latents 0 and 1 fire together, and so do 4 and 5."""
    ids = np.random.default_rng(0).integers(0, 14, 160)
    matrix = np.zeros((160, sae.cfg.d_sae))
    matrix[:, :8] = ids[:, None] // 2 == np.arange(8) // 2
    return cache_of_matrix(matrix, ids, np.arange(0, 161, 16), tuple(f" w{i}" for i in range(20)), NAME)


def test_those_of_the_examples_where_these_look_for_them(cache, sae):
    loader = Loader(cache, replace(SETTINGS, negative_source="neighbours"))
    found = near(loader, {NAME: sae}, ASKED)
    of = neighbours(cache, NAME, "jaccard", 3)
    assert set(found) == set(ASKED)
    for latent in ASKED:
        assert [(each.latent.latent, each.similarity, each.by) for each in found[latent]] == [
            (*one, "jaccard") for one in of.of(latent.latent)
        ]
    assert found[ASKED[0]][0].latent == LatentId(NAME, 1) and found[ASKED[1]][0].latent == LatentId(NAME, 5)


def test_else_those_by_the_decoder(cache, sae):
    found = near(Loader(cache, SETTINGS), {NAME: sae}, ASKED)
    unit = torch.nn.functional.normalize(sae.W_dec.detach().float(), dim=1)
    for latent in ASKED:
        assert len(found[latent]) == 3
        for each in found[latent]:
            cosine = float(unit[latent.latent] @ unit[each.latent.latent])
            assert each.by == "decoder" and each.similarity == pytest.approx(cosine, abs=1e-5)


def test_none_where_they_would_take_long_or_nobody_knows(cache, sae, monkeypatch):
    loader = Loader(cache, SETTINGS)
    assert near(loader, {}, ASKED) == {}
    assert near(loader, {NAME: sae}, [LatentId("layers.9", 3)]) == {}
    monkeypatch.setattr(module, "_QUICK", 8**2 * sae.cfg.d_in - 1)
    assert near(loader, {NAME: sae}, ASKED) == {}
    monkeypatch.setattr(module, "_QUICK", 8**2 * sae.cfg.d_in)
    assert set(near(loader, {NAME: sae}, ASKED)) == set(ASKED)
