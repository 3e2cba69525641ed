"""Intervention on tiny models: how far, what is written, how it is read, and its two controls."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.errors import InputError, SaesteerError, UnknownName
from saesteer.evaluation import divergences
from saesteer.examples import LatentId
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.intervention import Intervention
from saesteer.scorers.loss import nats_behind
from saesteer.scorers.reading import Reading, reading_of
from saesteer.scorers.strength import find_strengths
from saesteer.scorers.wording import Wording
from saesteer.steering import Intervention as Edit
from saesteer.steering import SteeringSpec, Strength, TensorRef, Where
from tests.scorers.records import record, said
from tests.steering import tiny

BEHIND = Reading(bridge=" and then")
BEFORE = Reading(Wording("the {explanation} ."))
PROMPTS = ("the cat", "a dog sat", "old")


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


@pytest.fixture(scope="module")
def sae():
    return tiny.sae(hook_name="layers.1")


@pytest.fixture(scope="module")
def of():
    return replace(record(), id=LatentId("layers.1", 3))


def scorer(lm, sae, **options):
    given = {"reading": BEHIND, "prompts": PROMPTS, "n": 2, "max_new_tokens": 6, "others": ("a mat", "sea")}
    return Intervention(lm, {"layers.1": sae}, **{**given, **options})


def run(made, of, text="sea"):
    return asyncio.run(made.score(of, said(text)))


def test_it_is_in_the_table(lm, sae):
    assert SCORERS.get("intervention") is Intervention
    assert isinstance(scorer(lm, sae), Scorer)


@pytest.mark.parametrize("target", [0.1, 0.6])
@pytest.mark.parametrize("where", [Where(), Where(skip=())])
def test_strengths_meet_the_target(lm, target, where):
    vectors = torch.stack([tiny.vector(seed) / tiny.vector(seed).norm() for seed in (0, 1)])
    prompts = ["the cat", "the cat", "a dog sat"]
    texts = ["the cat sat on the mat", "the cat ran and ran", "a dog sat in the sea ."]
    found = find_strengths(lm, "layers.1", vectors, texts, prompts, target, where)
    for seed, each in enumerate(found):
        assert each.outcome == "crossed" and each.kl == pytest.approx(target, rel=0.5)
        vector = {"v": TensorRef.of(vectors[seed])}
        edit = Edit("layers.1", "add", tensor="v", strength=Strength(each.strength), where=where)
        behind = [text.removeprefix(prompt) for text, prompt in zip(texts, prompts, strict=True)]
        (measured,) = divergences(lm, SteeringSpec((edit,), vector), [each.strength], behind, prompts)
        assert measured.kl == pytest.approx(target, rel=0.15)


def test_a_vector_that_does_nothing_has_no_strength(lm, sae, of):
    vectors = torch.zeros(1, tiny.WIDTH)
    (found,) = find_strengths(lm, "layers.1", vectors, ["the cat sat"], ["the"], 0.3, Where())
    assert (found.outcome, found.strength, found.kl) == ("flat", None, None)
    dead = tiny.sae(hook_name="layers.1")
    with torch.no_grad():
        dead.W_dec[3] = 0
    score = run(scorer(lm, dead), of)
    assert score.value is None and [each.kind for each in score.failures] == ["no_strength"]


@pytest.mark.parametrize("reading", [BEHIND, BEFORE])
def test_the_score_is_the_drop_in_surprise(lm, sae, of, reading):
    made = scorer(lm, sae, reading=reading)
    found = run(made, of)
    assert len(found.rows) == 6 and found.scorer == "intervention" and not found.failures
    assert found.value == pytest.approx(np.mean([row["less_surprising"] for row in found.rows]))
    assert any(row["plain"] != row["steered"] != row["control"] for row in found.rows)
    assert [row["plain"] for row in found.rows] == list(made.plain)
    for row in found.rows:
        if reading is BEHIND:
            before = [f"{row['prompt']}{row[each]} and then" for each in ("plain", "steered")]
            nats = nats_behind(lm, before, [" sea"] * 2)[0]
            expected = nats[0] - nats[1]
        else:
            texts = [row["plain"], row["steered"]]
            told = nats_behind(lm, [f"the sea . {row['prompt']}"] * 2, texts)[0]
            untold = nats_behind(lm, [row["prompt"]] * 2, texts)[0]
            expected = (untold - told)[1] - (untold - told)[0]
        assert row["less_surprising"] == pytest.approx(expected, abs=1e-4)


def test_controls_are_another_latent_and_another_explanation(lm, sae, of):
    made = scorer(lm, sae)
    found = run(made, of)
    assert made.other_latent(of) != of.id.latent and made.other_explanation(of, "sea") == "a mat"
    assert found.figures["random_kl"] == pytest.approx(0.3, rel=0.5)
    assert found.figures["over_random_latent"] == pytest.approx(found.value - found.figures["random_latent"])
    swapped = run(scorer(lm, sae, others=("sea",)), of, "a mat")
    assert swapped.value == pytest.approx(found.figures["shuffled"])
    assert swapped.figures["shuffled"] == pytest.approx(found.value)
    alone = run(scorer(lm, sae, others=()), of)
    assert "shuffled" not in alone.figures and alone.value == found.value


def test_the_other_latent_is_any_but_this_one(lm, sae):
    made = scorer(lm, sae)
    drawn = {
        latent: made.other_latent(replace(record(), id=LatentId("layers.1", latent))) for latent in range(24)
    }
    assert all(one != other and 0 <= other < 24 for one, other in drawn.items())
    assert len(set(drawn.values())) > 8


def test_a_latent_that_says_the_word_makes_it_less_surprising(lm, of):
    """The decoder row is the unembedding of "sea" less the mean: steered texts are full of it."""
    sae = tiny.sae(hook_name="layers.2")
    word = lm.tokenize(["sea"], bos=False).ids[0, 0]
    rows = lm.hf.get_output_embeddings().weight
    with torch.no_grad():
        sae.W_dec[3] = rows[word] - rows.mean(0)
    made = Intervention(
        lm,
        {"layers.1": sae},
        target=1.0,
        reading=BEFORE,
        others=("mat",),
        prompts=PROMPTS,
        n=8,
        max_new_tokens=8,
    )
    found = run(made, of)
    count = {each: sum(row[each].count("sea") for row in found.rows) for each in ("plain", "steered")}
    assert count["steered"] > 3 * count["plain"]


@pytest.mark.parametrize("positions", ["generated", "prompt"])
def test_strengths_are_found_where_the_texts_are_written(lm, sae, of, positions):
    """Of a text its prompt is the prompt, also where it is read in one piece."""
    made = scorer(lm, sae, where=Where(positions=positions))
    found = run(made, of)
    assert not found.failures and found.figures["kl"] == pytest.approx(0.3, rel=0.5)
    vector = (sae.direction(3) / sae.direction(3).norm()).float()
    strength = found.figures["strength"]
    edit = Edit("layers.1", "add", tensor="v", strength=Strength(strength), where=made.where)
    asked = [prompt for prompt in PROMPTS for _ in range(2)]
    spec = SteeringSpec((edit,), {"v": TensorRef.of(vector)})
    (measured,) = divergences(lm, spec, [strength], list(made.plain), asked)
    assert measured.kl == pytest.approx(0.3, rel=0.3)


def test_an_sae_must_be_known_and_fit(lm, sae, of):
    with pytest.raises(UnknownName, match=r"layers\.1"):
        run(Intervention(lm, {"another": sae}, prompts=PROMPTS), of)
    with pytest.raises(SaesteerError):
        Intervention(lm, {"layers.1": tiny.sae(d_in=8, hook_name="layers.1")})
    with pytest.raises(InputError, match="target"):
        scorer(lm, sae, target=0)
    with pytest.raises(InputError, match="prompts"):
        scorer(lm, sae, prompts=())


def test_nothing_is_asked_without_an_explanation(lm, sae, of):
    found = run(scorer(lm, sae), of, None)
    assert [each.kind for each in found.failures] == ["no_explanation"]


def test_settings_are_in_the_fingerprint(lm, sae):
    options = (
        {},
        {"target": 0.6},
        {"reading": BEFORE},
        {"seed": 1},
        {"others": ()},
        {"where": Where(skip=())},
    )
    made = [scorer(lm, sae, **each) for each in options]
    assert len({each.fingerprint() for each in made}) == len(made)
    assert scorer(lm, sae).fingerprint() == made[0].fingerprint()


def test_readings_by_name():
    assert reading_of("behind").wording is None and "about" in reading_of("behind").bridge
    assert reading_of("titles").wording.said("a war") == "A story about a war."
    assert reading_of("It says: {explanation}").wording.template == "It says: {explanation}"
