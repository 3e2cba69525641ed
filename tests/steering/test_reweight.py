"""Latents by a score of each: against the formulas in dense arithmetic, and on a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.errors import BadSpec, InputError, ShapeMismatch
from saesteer.saes import TopKSAE
from saesteer.steering import Intervention, SAERef, SteeringSpec, TensorRef, steer
from saesteer.steering.operations import reweight_latents
from tests.steering import tiny

seeds = st.integers(0, 2**31)
KINDS = {
    "standard": {},
    "jumprelu": {},
    "topk": {},
    "layer_norm": {"architecture": "topk", "normalize_activations": "layer_norm"},
    "constant_norm": {"architecture": "jumprelu", "normalize_activations": "constant_norm_rescale"},
}
TEXTS = ["the cat sat on the old mat", "a dog ran"]


def made(kind: str, seed: int = 0):
    fields = dict(KINDS[kind])
    return tiny.sae(fields.pop("architecture", kind), seed, **fields)


def draw(seed: int) -> torch.Tensor:
    return 3 * torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(seed)) + 1


def naive(sae, x, scores, mode):
    """Latents by the formulas, dense."""
    p = sae.pre(x)
    q = sae.activate(p * scores)
    return q if mode == "weight" else p * (q != 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["weight", "swap"])
@pytest.mark.parametrize("keep_error", [False, True])
@settings(max_examples=15)
@given(seed=seeds, strength=st.floats(-1, 2))
def test_the_formulas(kind, mode, keep_error, seed, strength):
    sae, x, scores = made(kind, seed), draw(seed), tiny.scores(seed)
    z, changed = sae.encode(x), naive(sae, x, scores, mode)
    if keep_error:
        expected = x + strength * sae.scale(x) * ((changed - z) @ sae.W_dec)
    else:
        expected = x + strength * (sae.decode(changed, like=x) - x)
    found = reweight_latents(x, sae, scores, mode, strength, keep_error)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)


@settings(max_examples=15)
@given(seed=seeds, strength=st.floats(-1, 2))
def test_legacy_weight_is_restored_by_the_figures_of_the_scores(seed, strength):
    """Written out: W_d q + b, times the scores' deviation, plus their mean; nothing of the token is left."""
    sae, x, scores = made("layer_norm", seed), draw(seed), tiny.scores(seed)
    q = sae.activate(sae.pre(x) * scores)
    deviation = ((scores - scores.mean()) ** 2).sum().div(len(scores) - 1).sqrt()
    xhat = (q @ sae.W_dec + sae.b_dec) * deviation + scores.mean()
    found = reweight_latents(x, sae, scores, "legacy_weight", strength, keep_error=False)
    torch.testing.assert_close(found, x + strength * (xhat - x), rtol=2e-4, atol=2e-4)


def test_legacy_weight_is_of_layer_normalisation_and_without_the_error():
    sae = tiny.sae("topk")
    with pytest.raises(BadSpec, match="keep_error: must be false for mode 'legacy_weight'"):
        Intervention("layers.1", "reweight_latents", sae="s", scores="r", mode="legacy_weight")
    with pytest.raises(InputError, match="layer normalisation"):
        reweight_latents(draw(0), sae, tiny.scores(), "legacy_weight", keep_error=False)
    each = Intervention(
        "layers.1", "reweight_latents", sae="s", scores="r", mode="legacy_weight", keep_error=False
    )
    spec = SteeringSpec((each,), {"r": TensorRef.of(tiny.scores())}, {"s": SAERef()})
    assert "as published" in spec.table()
    with pytest.raises(InputError, match="layer normalisation"), steer(tiny.llama(), spec, saes={"s": sae}):
        pass
    normalised = tiny.sae("topk", normalize_activations="layer_norm")
    lm = tiny.llama()
    tokens = lm.tokenize(TEXTS)
    plain = lm.logits(tokens)
    with steer(lm, spec, saes={"s": normalised}):
        assert not torch.equal(lm.logits(tokens), plain)


def test_swap_leaves_the_size_and_takes_others():
    sae, x = made("topk"), draw(1)
    scores = torch.ones(tiny.D_SAE)
    strongest = sae.encode(x)[0, 0].argmax()
    scores[strongest] = 0.0
    z, changed = sae.encode(x)[0, 0], sae.encode_reweighted(x, scores, swap=True)[0].dense()[0, 0]
    new = (changed != 0) & (z == 0)
    assert changed[strongest] == 0 and int(new.sum()) == 1  # the sixth largest takes the place of the first
    torch.testing.assert_close(changed[new], sae.pre(x)[0, 0][new])
    kept = (changed != 0) & (z != 0)
    torch.testing.assert_close(changed[kept], z[kept])


def test_a_function_of_the_k_largest_is_done_to_the_size_too():
    plain = made("topk")
    sae = TopKSAE(replace(plain.cfg, postact="tanh"), dict(plain.named_parameters()))
    x, scores = draw(2), tiny.scores()
    found = sae.encode_reweighted(x, scores, swap=True)[0].dense()
    p = sae.pre(x)
    torch.testing.assert_close(found, p.tanh() * (sae.activate(p * scores) != 0))


@pytest.mark.parametrize("mode", ["weight", "swap"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_1_keep_every_bit(kind, mode):
    sae, x = made(kind), draw(3)
    ones = torch.ones(tiny.D_SAE)
    assert torch.equal(reweight_latents(x, sae, ones, mode), x)
    assert torch.equal(reweight_latents(x, sae, ones, mode, keep_error=False), sae.forward(x))
    assert not torch.equal(reweight_latents(x, sae, tiny.scores(), mode), x)


@pytest.mark.parametrize("kind", ["standard", "topk"])
def test_chunks_change_nothing(kind, monkeypatch):
    sae, x, scores = made(kind), draw(4), tiny.scores()
    whole = [each.dense() for each in sae.encode_reweighted(x, scores)]
    monkeypatch.setattr("saesteer.saes.sae._CHUNK", 3 * tiny.D_SAE)
    for one, other in zip(sae.encode_reweighted(x, scores), whole, strict=True):
        torch.testing.assert_close(one.dense(), other)


def test_a_gated_sae_is_refused():
    with pytest.raises(InputError, match=r"a gated SAE cannot be reweighted: .* use scale_latents"):
        tiny.sae("gated").encode_reweighted(draw(0), tiny.scores())


@pytest.mark.parametrize("mode", ["weight", "swap"])
@pytest.mark.parametrize("kind", ["standard", "topk", "layer_norm"])
def test_on_a_model(lm, kind, mode):
    sae, tokens = made(kind), lm.tokenize(TEXTS)
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    with steer(lm, tiny.reweighted(mode, keep_error=False), saes={"s": sae}):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    content = tokens.mask & (tokens.ids != 1)
    expected = sae.decode(naive(sae, plain, tiny.scores(), mode), like=plain)
    torch.testing.assert_close(found[content], expected[content], rtol=1e-4, atol=1e-4)
    assert torch.equal(found[~content], plain[~content])


def test_rows_by_other_scores_are_rows_alone(lm, sae):
    tokens = lm.tokenize(TEXTS[:1] * 4)
    specs = [tiny.reweighted(seed=1), None, tiny.reweighted(seed=2), tiny.reweighted("weight", seed=1)]
    with steer(lm, specs, saes={"s": sae}):
        together = lm.logits(tokens)
    for row, spec in enumerate(specs):
        with steer(lm, spec, saes={"s": sae}):
            torch.testing.assert_close(together[row], lm.logits(tokens[:1])[0], rtol=1e-4, atol=1e-4)
    assert len({tuple(row[-1].tolist()) for row in together}) == 4


def _refused(lm, sae, value):
    each = Intervention("layers.1", "reweight_latents", sae="s", scores="r")
    return SteeringSpec((each,), {"r": TensorRef.of(value)}, {"s": SAERef()}), {"s": sae}


def test_errors_name_the_field(lm, sae):
    spec, saes = _refused(lm, sae, torch.ones(7))
    with (
        pytest.raises(
            ShapeMismatch, match=r"^interventions\[0\].scores: 'r' holds 7 numbers but the SAE has 24 l"
        ),
        steer(lm, spec, saes=saes),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"^interventions\[0\].scores: a gated SAE cannot be reweighted"),
        steer(lm, tiny.reweighted(), saes={"s": tiny.sae("gated")}),
    ):
        pass
