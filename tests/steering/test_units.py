"""Units are what they say, measured on the plain model, and stay in the spec."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import BadSpec, InputError
from saesteer.steering import (
    Intervention,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    content_activations,
    latent_max,
    residual_norm,
    resolve_strength,
    steer,
)
from saesteer.steering.units import TEXTS
from tests.steering import tiny

OURS = ["the cat sat on the mat", "a dog", "the old sea and the wet rug ."]


def naive(lm, at, texts):
    """Each text alone, so no padding; without the BOS."""
    return torch.cat([lm.record(lm.tokenize([text]), [at])[at][0, 1:] for text in texts])


def test_content_is_every_token_but_special_ones(lm):
    found = content_activations(lm, OURS, "layers.1")
    torch.testing.assert_close(found, naive(lm, "layers.1", OURS), rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="hold no token that is not special"):
        content_activations(lm, ["[bos]"], "layers.1")


def test_residual_norm_is_the_mean_length(lm):
    expected = naive(lm, "layers.1", OURS).norm(dim=-1).mean().item()
    assert residual_norm(lm, "blocks.1.hook_resid_post", OURS) == pytest.approx(expected, rel=1e-4)


def test_a_strength_in_residual_norms_adds_that_length(lm):
    spec = tiny.direction(value=0.5, unit="residual_norm")
    solved = resolve_strength(lm, spec, OURS)
    strength = solved.interventions[0].strength
    assert strength.resolved == pytest.approx(0.5 * residual_norm(lm, "layers.1", OURS))
    assert strength.measured_on["texts"] == 3 and strength.measured_on["model"] == lm.fingerprint()
    tokens = lm.tokenize(OURS[:1])
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    with steer(lm, solved):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    lengths = (found - plain)[0, 1:].norm(dim=-1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, strength.resolved), rtol=1e-4, atol=1e-4)


def test_what_is_resolved_stays_unless_texts_are_given(lm):
    solved = resolve_strength(lm, tiny.direction(unit="residual_norm"), OURS)
    assert resolve_strength(lm, solved) == solved
    again = resolve_strength(lm, solved, TEXTS)
    assert again.interventions[0].strength.factor == residual_norm(lm, "layers.1", TEXTS)
    assert again.interventions[0].strength.factor != solved.interventions[0].strength.factor
    assert resolve_strength(lm, tiny.direction(), OURS) == tiny.direction()


def test_steer_resolves_what_is_not(lm):
    tokens, spec = lm.tokenize(OURS), tiny.direction(value=0.5, unit="residual_norm")
    with steer(lm, spec):
        found = lm.logits(tokens)
    with steer(lm, resolve_strength(lm, spec)):
        assert torch.equal(lm.logits(tokens), found)


def test_units_are_measured_on_the_plain_model_also_inside_a_steering():
    lm = tiny.llama(seed=3)  # not measured before: nothing is remembered
    expected = naive(lm, "layers.1", OURS).norm(dim=-1).mean().item()
    with steer(lm, tiny.direction(value=100.0)):
        assert residual_norm(lm, "layers.1", OURS) == pytest.approx(expected, rel=1e-4)


def test_strengths_per_row_count_in_the_unit(lm):
    spec = resolve_strength(lm, tiny.direction(unit="residual_norm"), OURS)
    raw = spec.interventions[0].strength.factor
    tokens = lm.tokenize(OURS)
    with steer(lm, spec, strengths=[0.1, 0.2, 0.0]):
        found = lm.logits(tokens)
    with steer(lm, tiny.direction(), strengths=[0.1 * raw, 0.2 * raw, 0.0]):
        torch.testing.assert_close(lm.logits(tokens), found, rtol=1e-4, atol=1e-4)


def test_latent_max_is_the_largest_activation(lm, sae):
    largest = sae.encode(naive(lm, "layers.1", OURS)).max(0).values
    latent = int(largest.argmax())
    assert latent_max(lm, sae, latent, "layers.1", OURS) == pytest.approx(float(largest[latent]), rel=1e-4)
    silent = tiny.sae()
    silent.b_enc[5] = -1e6
    with pytest.raises(InputError, match="latent 5 is never active on the 3 texts"):
        latent_max(lm, silent, 5, "layers.1", OURS)


def test_latent_max_of_the_metadata_comes_first_without_texts(lm):
    noted = tiny.sae(metadata={"latent_max": [float(i) for i in range(24)]})
    assert latent_max(lm, noted, 7, "layers.1") == 7.0
    assert latent_max(lm, noted, 7, "layers.1", OURS) != 7.0
    spec = tiny.latents(unit="latent_max", pairs=[[7, 0.5], [9, 2.0]])
    solved = resolve_strength(lm, spec, saes={"s": noted}).interventions[0]
    assert solved.resolved == ((7, 3.5), (9, 18.0))
    assert solved.measured_on["source"] == "sae metadata" and solved.measured_on["texts"] == 0


def test_latents_in_latent_max_are_set_to_that_many_times_their_largest(lm, sae):
    tokens = lm.tokenize(OURS)
    raw = [[3, 0.5 * latent_max(lm, sae, 3, "layers.1")], [7, 2.0 * latent_max(lm, sae, 7, "layers.1")]]
    with steer(lm, tiny.latents(unit="latent_max", pairs=[[3, 0.5], [7, 2.0]]), saes={"s": sae}):
        found = lm.logits(tokens)
    with steer(lm, tiny.latents(pairs=raw), saes={"s": sae}):
        assert torch.equal(lm.logits(tokens), found)


def test_a_direction_of_one_latent_counts_in_its_largest_activation(lm, sae):
    each = Intervention("layers.1", "add", tensor="w", strength=Strength(2.0, "latent_max"))
    spec = SteeringSpec((each,), {"w": TensorRef(sae="s", latents=((3, 1.0),))}, {"s": SAERef()})
    solved = resolve_strength(lm, spec, OURS, {"s": sae})
    expected = 2.0 * latent_max(lm, sae, 3, "layers.1", OURS)
    assert solved.interventions[0].strength.resolved == pytest.approx(expected)
    with pytest.raises(BadSpec, match=r"^interventions\[0\].unit: latent_max needs the SAE 's'"):
        resolve_strength(lm, spec)
    with pytest.raises(BadSpec, match=r"latent_max needs a tensor .* of exactly one latent"):
        SteeringSpec((each,), {"w": TensorRef.of(tiny.vector())})
