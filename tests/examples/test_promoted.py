"""Promoted and suppressed tokens on records, against the logit effect of one direction."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.cache import cache_of_matrix
from saesteer.errors import InputError
from saesteer.examples import LatentId, Loader
from saesteer.latents import logit_effect, logit_effects
from saesteer.latents.reading import token_strings
from tests.examples.made import small
from tests.steering import tiny

NAME = "layers.1"


def made(lm):
    strings = token_strings(lm, range(len(lm.tokenizer)))
    matrix = np.random.default_rng(0).random((120, tiny.D_SAE)) * (np.arange(120) % 3 == 0)[:, None]
    ids = np.random.default_rng(1).integers(4, len(strings), 120)
    return cache_of_matrix(matrix, ids, np.arange(0, 121, 20), tuple(strings.values()), NAME)


@pytest.mark.parametrize("model", [tiny.llama, tiny.gpt2])
def test_records_hold_the_tokens_of_the_logit_effect(model):
    lm, sae = model(), tiny.sae()
    loader = Loader(made(lm), small(), lm, {NAME: sae})
    for latent in (0, 17, 23):
        effect = logit_effect(lm, sae.direction(latent))
        record = loader.record(LatentId(NAME, latent))
        assert record.promoted == tuple(each.token for each in effect.promoted)
        assert record.suppressed == tuple(each.token for each in effect.suppressed)
    assert Loader(loader.cache, small(), lm).record(LatentId(NAME, 0)).promoted == ()
    assert Loader(loader.cache, small(), None, {NAME: sae}).record(LatentId(NAME, 0)).promoted == ()


@pytest.mark.parametrize("fold", [True, False])
def test_many_directions_at_once_are_as_one_by_one(fold):
    lm, sae = tiny.gpt2(), tiny.sae()
    up, down = logit_effects(lm, sae.W_dec, 5, fold)
    for latent in range(tiny.D_SAE):
        effect = logit_effect(lm, sae.W_dec[latent], 5, fold)
        assert up[latent].tolist() == [each.id for each in effect.promoted]
        assert down[latent].tolist() == [each.id for each in effect.suppressed]
    with pytest.raises(InputError, match="stream is 16 wide"):
        logit_effects(lm, torch.zeros(2, 5))


def test_a_family_whose_norm_is_unknown_goes_without_it():
    lm, sae = tiny.llama(), tiny.sae()
    lm.hf.config.model_type = "unheard_of"
    record = Loader(made(lm), small(), lm, {NAME: sae}).record(LatentId(NAME, 2))
    effect = logit_effect(lm, sae.direction(2), fold_norm=False)
    assert record.promoted == tuple(each.token for each in effect.promoted)


def test_another_sae_is_refused_and_one_that_writes_elsewhere_has_no_tokens():
    lm = tiny.llama()
    cache = made(lm)
    narrow = Loader(cache, small(), lm, {NAME: tiny.sae(d_in=8)})
    assert narrow.record(LatentId(NAME, 0)).promoted == ()
    table = replace(cache[NAME], about={"fingerprint": "abc"})
    with pytest.raises(InputError, match="load the SAE that was cached"):
        Loader(replace(cache, tables={NAME: table}), small(), lm, {NAME: tiny.sae()})
