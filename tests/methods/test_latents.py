"""Latents set, added to and scaled: what the specs do to an SAE's latents."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from saesteer.errors import InputError, UnknownName
from saesteer.methods import sae_decoder, scar_latent
from saesteer.steering import content_activations, load_spec, steer
from tests.methods.concepts import SEA
from tests.steering import tiny

AT = "layers.1"
TEXTS = (*SEA.positive, *SEA.negative)


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


@pytest.fixture(scope="module")
def sae():
    return tiny.sae(hook_name=AT)


def changed(lm, sae, spec):
    """Activations of the texts' tokens without the spec and with it."""
    tokens = lm.tokenize(list(TEXTS))
    keep = tokens.mask & (tokens.ids > 2)
    plain = lm.record(tokens, [AT])[AT][keep]
    with steer(lm, spec, saes=dict.fromkeys(spec.saes, sae)):
        return plain, lm.record(tokens, [AT])[AT][keep]


def test_latents_are_added_in_multiples_of_their_largest_activation(lm, sae):
    spec = sae_decoder(lm, SEA, sae, latent={3: 1.0, 7: -0.5}, op="add_latents", strength=2.0)
    plain, found = changed(lm, sae, spec)
    most = sae.latent(content_activations(lm, TEXTS, AT), [3, 7]).amax(0)
    expected = 2 * most[0] * sae.direction(3) - most[1] * sae.direction(7)
    torch.testing.assert_close(found - plain, expected.expand_as(plain), rtol=1e-3, atol=1e-4)
    assert spec.provenance["latents"] == [[3, 1.0], [7, -0.5]] and spec.provenance["chosen_by"] == "hand"


def test_latents_are_set_also_where_they_were_silent(lm, sae):
    spec = sae_decoder(lm, SEA, sae, latent=[(3, 4.0)], op="set_latents", unit="raw")
    plain, found = changed(lm, sae, spec)
    z = sae.latent(plain, [3])
    assert bool((z == 0).any()) and bool((z > 0).any())
    torch.testing.assert_close(found - plain, (4 - z) * sae.direction(3), rtol=1e-3, atol=1e-4)


def test_several_chosen_ones_keep_their_proportions(lm, sae):
    added = sae_decoder(lm, SEA, sae, top=3, op="add_latents")
    weights = [weight for _, weight in sae_decoder(lm, SEA, sae, top=3).provenance["latents"]]
    assert len(weights) > 1 and len(set(weights)) > 1
    found = [weight for _, weight in added.interventions[0].latents]
    assert found == pytest.approx([each / max(weights) for each in weights])


def test_a_source_is_all_that_the_file_needs(lm, sae, tmp_path):
    sae.save(tmp_path / "sae")
    spec = sae_decoder(lm, SEA, sae, op="set_latents", source=str(tmp_path / "sae"))
    spec.save(tmp_path / "a.yaml")
    tokens = lm.tokenize(list(TEXTS))
    with steer(lm, load_spec(tmp_path / "a.yaml")):
        found = lm.logits(tokens)
    with steer(lm, sae_decoder(lm, SEA, sae, op="set_latents"), saes={"s": sae}):
        torch.testing.assert_close(lm.logits(tokens), found)


def test_a_rank_takes_the_choosers_later_latents(lm, sae):
    first = [
        latent for latent, _ in sae_decoder(lm, SEA, sae, choose="logit_effect", top=4).provenance["latents"]
    ]
    one = sae_decoder(lm, SEA, sae, choose="logit_effect", rank=3)
    assert one.provenance["latents"] == [[first[2], 1.0]]
    two = sae_decoder(lm, SEA, sae, choose="logit_effect", rank=2, top=2)
    assert [latent for latent, _ in two.provenance["latents"]] == first[1:3]
    with pytest.raises(InputError, match="rank counts from 1, the chooser's first latent, got 0"):
        sae_decoder(lm, SEA, sae, rank=0)
    with pytest.raises(InputError, match=f"latents for 'sea', so none of rank {sae.cfg.d_sae + 1}"):
        sae_decoder(lm, SEA, sae, choose="logit_effect", rank=sae.cfg.d_sae + 1)


def test_the_chooser_is_taken_by_name(lm, sae):
    spec = sae_decoder(lm, SEA, sae, choose="logit_effect", top=2)
    assert spec.provenance["chosen_by"] == "logit_effect"
    assert [set(each) for each in spec.provenance["evidence"]] == [{"output_effect"}] * 2
    assert spec.provenance["latents"] != sae_decoder(lm, SEA, sae, top=2).provenance["latents"]
    with pytest.raises(UnknownName, match="did you mean 'contrast'"):
        sae_decoder(lm, SEA, sae, choose="contrasts")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"op": "splice"}, "op is one of add, add_latents, set_latents, got 'splice'"),
        ({"op": "add_latents", "unit": "max"}, "unit is one of latent_max, raw, got 'max'"),
        ({"latent": [(3, 0.0)]}, "one weight that is not 0"),
        ({"latent": [(3, 1.0), (3, 2.0)]}, "several different ones"),
        ({"latent": {24: 1.0}}, "latents are 0 to 23, got 24"),
        ({"latent": [(3, float("nan"))]}, "one weight that is not 0, a finite number"),
        ({"latent": [(3, float("inf"))]}, "one weight that is not 0, a finite number"),
        ({"latent": [(3, "x")]}, "one weight that is not 0, a finite number"),
    ],
)
def test_what_makes_no_spec(lm, sae, given, message):
    with pytest.raises(InputError, match=message):
        sae_decoder(lm, SEA, sae, **given)


def conditioned(*concepts):
    found = tiny.sae(hook_name=AT)
    condition = {"concepts": list(concepts), "weight": 1.0}
    found.cfg = replace(found.cfg, metadata={"training": {"condition": condition}})
    return found


@pytest.mark.parametrize("alpha", [-5.0, 0.0, 1.0, 3.0])
def test_the_conditioned_latent_is_scaled_where_it_is_active(lm, alpha):
    scar = conditioned("anger", "sea")
    spec = scar_latent(lm, SEA, scar, alpha=alpha)
    plain, found = changed(lm, scar, spec)
    z = scar.latent(plain, [1])
    torch.testing.assert_close(found - plain, (alpha - 1) * z * scar.direction(1), rtol=1e-3, atol=1e-4)
    assert bool((z == 0).any()) and spec.provenance["latents"] == [[1, 1.0]]
    if alpha:
        assert spec.interventions[0].strength.value == alpha


def test_one_latent_is_scaled_and_no_weight_goes_unheard(lm, sae):
    """The others, and the weight, were left out without a word."""
    for given in ([3, 5], [(3, 2.0)]):
        with pytest.raises(InputError, match="scar_latent scales one latent, by alpha"):
            scar_latent(lm, SEA, sae, latent=given)
    assert scar_latent(lm, SEA, sae, latent=[(3, 1.0)]).provenance["latents"] == [[3, 1.0]]


def test_spliced_it_is_the_reconstruction_with_the_latent_scaled(lm):
    scar = conditioned("sea")
    plain, found = changed(lm, scar, scar_latent(lm, SEA, scar, alpha=1.0, keep_error=False))
    torch.testing.assert_close(found, scar.forward(plain), rtol=1e-3, atol=1e-4)


def test_a_concept_that_was_not_conditioned(lm, sae):
    with pytest.raises(InputError, match="conditioned on anger, love, not on 'sea'"):
        scar_latent(lm, SEA, conditioned("anger", "love"))
    with pytest.raises(InputError, match="conditioned on no concept, not on 'sea'"):
        scar_latent(lm, SEA, sae)
    assert scar_latent(lm, SEA, sae, latent=4).provenance["latents"] == [[4, 1.0]]
    with pytest.raises(InputError, match="latents are 0 to 23, got 24"):
        scar_latent(lm, SEA, sae, latent=24)
