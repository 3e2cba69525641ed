"""Topic alignment: each manipulation against the paper's formulas in NumPy, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.concepts import AlignedLatent, AlignmentScores, Home
from saesteer.errors import InputError, UnknownName
from saesteer.methods import METHODS, topic_alignment
from saesteer.methods.topic_alignment import MANIPULATIONS
from saesteer.steering import Where, load_spec, steer
from tests.steering import tiny

TEXTS = ["the cat sat on the old mat", "a dog ran"]
KINDS = {
    "openai": ("topk", {"normalize_activations": "layer_norm"}),  # also SCAR's form
    "jumprelu": ("jumprelu", {"apply_b_dec_to_input": False}),  # Gemma Scope's form
    "relu": ("standard", {}),
}


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


def made(kind="openai", at="layers.1", seed=0):
    architecture, fields = KINDS[kind]
    return tiny.sae(architecture, seed, hook_name=at, **fields)


def scored(lm, sae, seed=0):
    """Random scores, every fifth latent unsupported, intervals that turn the order around."""
    draw = np.random.default_rng(seed)
    values = draw.uniform(0, 1, sae.cfg.d_sae)
    rows = [
        AlignedLatent(i, 0.0, 0.0, 1.0, 0)
        if i % 5 == 0
        else AlignedLatent(i, float(v), float(v * (1 - v)), 1.0, 3, float(i))
        for i, v in enumerate(values)
    ]
    return AlignmentScores(tuple(rows), Home.of(lm, sae), "sea")


def formula(kind, sae, h, s, mode, best):
    """topic_alignment.md section 2, in float64."""
    t = {name: each.detach().double().numpy() for name, each in sae.named_parameters()}
    h = h.double().numpy()
    mu, sigma, x = 0.0, 1.0, h
    if kind == "openai":
        mu = h.mean(-1, keepdims=True)
        sigma = np.sqrt(((h - mu) ** 2).sum(-1, keepdims=True) / (h.shape[-1] - 1))
        x = (h - mu) / (sigma + 1e-5)
    p = (x if kind == "jumprelu" else x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]

    def act(values):
        if kind == "openai":
            kept = np.argsort(np.argsort(-values, axis=-1), axis=-1) < sae.cfg.k
            return np.maximum(values, 0) * kept
        return np.maximum(values, 0) * (values > t["threshold"] if kind == "jumprelu" else True)

    def dec(z):
        return (z @ t["W_dec"] + t["b_dec"]) * sigma + mu

    raised = np.zeros(len(s))
    raised[best] = 10.0
    z = {
        "sae": act(p),
        "clamp": act(p) + raised,
        "weight": act(p * s),
        "swap": p * (act(p * s) != 0),
    }
    return h if mode == "orig" else dec(z[mode])


def test_the_published_weight_is_a_switch(lm):
    sae = made("openai")
    scores = scored(lm, sae)
    (each,) = topic_alignment(lm, None, sae, scores, mode="legacy_weight").interventions
    assert (each.op, each.mode, each.keep_error) == ("reweight_latents", "legacy_weight", False)
    assert list(MANIPULATIONS) == ["orig", "sae", "clamp", "weight", "swap"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MANIPULATIONS)
def test_the_formulas(lm, kind, mode):
    sae = made(kind)
    scores = scored(lm, sae)
    spec = topic_alignment(lm, None, sae, scores, mode=mode, by="score", where=Where(skip=()))
    tokens = lm.tokenize(TEXTS)
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    with steer(lm, spec, saes={"s": sae}):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    best = np.argsort(-scores.values("score"))[:5]
    expected = formula(kind, sae, plain, scores.values("score"), mode, best)
    np.testing.assert_allclose(found[tokens.mask], expected[tokens.mask.numpy()], rtol=1e-3, atol=1e-3)
    assert torch.equal(found, plain) == (mode == "orig")


@pytest.mark.parametrize("mode", ["clamp", "weight", "swap"])
def test_with_the_error_kept(lm, mode):
    sae = made()
    spec = topic_alignment(lm, None, sae, scored(lm, sae), mode=mode, keep_error=True)
    lost = topic_alignment(lm, None, sae, scored(lm, sae), mode=mode)
    tokens = lm.tokenize(TEXTS)
    x = lm.record(tokens, ["layers.1"])["layers.1"]
    both = []
    for each in (spec, lost):
        with steer(lm, each, saes={"s": sae}):
            both.append(lm.record(tokens, ["layers.1"])["layers.1"])
    content = tokens.mask & (tokens.ids != 1)  # BOS is left alone
    error = (x - sae.forward(x))[content]
    torch.testing.assert_close(both[0][content] - both[1][content], error, rtol=1e-3, atol=1e-3)


def test_scores_by_their_lower_ends(lm):
    sae = made()
    scores = scored(lm, sae)
    (each,) = topic_alignment(lm, None, sae, scores, mode="clamp").interventions
    assert [i for i, _ in each.latents] == np.argsort(-scores.values("low"))[:5].tolist()
    spec = topic_alignment(lm, None, sae, scores, mode="weight")
    np.testing.assert_allclose(spec.tensors["s_scores"].value, scores.values("low"), rtol=1e-6)


def test_count_strength_and_level_of_clamp(lm):
    sae = made()
    scores = scored(lm, sae)
    spec = topic_alignment(lm, None, sae, scores, mode="clamp", count=2, strength=3.0)
    (each,) = spec.interventions
    assert len(each.latents) == 2 and each.strength.value == 3.0
    (each,) = topic_alignment(lm, None, sae, scores, mode="clamp", by_level=True).interventions
    assert all(value == latent for latent, value in each.latents) and each.strength.value == 1.0
    (usual,) = topic_alignment(lm, None, sae, scores, mode="clamp").interventions
    assert {value for _, value in usual.latents} == {1.0} and usual.strength.value == 10.0
    with pytest.raises(InputError, match="clamp raises 1 to 19 latents, those with support, got count 20"):
        topic_alignment(lm, None, sae, scores, mode="clamp", count=20)
    silent = replace(scores, rows=tuple(replace(row, level=None) for row in scores.rows))
    with pytest.raises(InputError, match="is silent on the texts of 'sea'"):
        topic_alignment(lm, None, sae, silent, mode="clamp", by_level=True)


def test_several_layers(lm):
    saes = [made(at="layers.0"), made("jumprelu", at="layers.1", seed=1)]
    scores = [scored(lm, sae, seed) for seed, sae in enumerate(saes)]
    spec = topic_alignment(lm, None, saes, scores, mode="swap")
    assert [each.hookpoint for each in spec.interventions] == ["layers.0", "layers.1"]
    named = dict(zip(("s0", "s1"), saes, strict=True))
    tokens = lm.tokenize(TEXTS)
    with steer(lm, spec, saes=named):
        both = lm.logits(tokens)
    alone = topic_alignment(lm, None, saes[0], scores[0], mode="swap")
    with steer(lm, alone, saes={"s": saes[0]}):
        one = lm.logits(tokens)
    assert not torch.allclose(both, one)
    with pytest.raises(InputError, match="there are 2 SAEs but 1 scores"):
        topic_alignment(lm, None, saes, scores[0])
    with pytest.raises(InputError, match=r"two of the scores are of one hookpoint"):
        topic_alignment(lm, None, [saes[0], saes[0]], [scores[0], scores[0]])


def test_a_spec_on_disk_and_scores_on_disk(lm, tmp_path):
    sae = made()
    sae.save(tmp_path / "sae")
    folder = scored(lm, sae).save(tmp_path / "scores")
    spec = topic_alignment(lm, None, sae, folder, mode="swap", source=str(tmp_path / "sae"))
    spec.save(tmp_path / "spec.yaml")
    loaded = load_spec(tmp_path / "spec.yaml")
    assert loaded == spec and loaded.provenance["mode"] == "swap"
    with steer(lm, loaded):
        found = lm.generate(TEXTS, max_new_tokens=3, temperature=0)
    with steer(lm, spec, saes={"s": sae}):
        assert lm.generate(TEXTS, max_new_tokens=3, temperature=0).rows == found.rows


def test_scores_of_another_model_sae_or_layer_are_refused(lm):
    sae = made()
    scores = scored(lm, sae)
    with pytest.raises(InputError, match="of the model"):
        topic_alignment(tiny.llama(seed=1), None, sae, scores)
    with pytest.raises(InputError, match="of the SAE"):
        topic_alignment(lm, None, made(seed=1), scores)
    with pytest.raises(InputError, match=r"trained at layers\.1 but is used at layers\.2"):
        topic_alignment(lm, None, sae, scores, at="layers.2")


def test_what_cannot_be(lm):
    sae = made()
    scores = scored(lm, sae)
    with pytest.raises(UnknownName, match="unknown manipulation 'swop'; did you mean 'swap'"):
        topic_alignment(lm, None, sae, scores, mode="swop")
    for mode in ("orig", "sae"):
        with pytest.raises(InputError, match=f"{mode} with the error kept changes nothing"):
            topic_alignment(lm, None, sae, scores, mode=mode, keep_error=True)
    with pytest.raises(InputError, match="give scores, or a concept"):
        topic_alignment(lm, None, sae)
    with pytest.raises(InputError, match="there is no SAE"):
        topic_alignment(lm, None, [], [])
    nothing = replace(scores, rows=tuple(replace(row, low=0.0) for row in scores.rows))
    with pytest.raises(InputError, match="no latent's score has a lower end above 0; take by='score'"):
        topic_alignment(lm, None, sae, nothing, mode="swap")


def test_from_a_concept(lm):
    from tests.methods.test_directions import SEA

    sae = made()
    spec = METHODS.get("topic_alignment")(
        lm, SEA, sae, mode="clamp", count=1, d_ref=[*SEA.negative, *SEA.positive], embedder="hashed_words"
    )
    assert spec.provenance["concept"] == "sea" and spec.provenance["scores"][0]["form"] == "aligned"


def test_the_five_likeliest_each_as_likely():
    """The paper's sampler is a temperature at which exp(logit) is 1 in every float, with top_k 5."""
    from saesteer.model.sampling import Sampling, choose, draws

    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0)) * 8
    five = set(logits[0].topk(5).indices.tolist())
    luck = draws(0, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), 200_000)[0]
    chosen, broken = choose(logits.expand(len(luck), -1), luck, Sampling(1e30, top_k=5))
    counts = torch.bincount(chosen, minlength=50)
    assert set(counts.nonzero().flatten().tolist()) == five and not bool(broken.any())
    share = counts[counts > 0] / len(luck)
    assert (share - 0.2).abs().max() < 0.005
