"""Explanations and scores as JSON and back."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import CorruptFile, InputError
from saesteer.examples import Explanation, Failure, LatentFigures, LatentId, Score
from saesteer.llms.client import Usage
from saesteer.pipeline.interpretation.codecs import encode, explanation_of, figures_of, score_of

LATENT = LatentId("layers.3", 17)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS
FAILURES = st.builds(Failure, TEXTS, TEXTS)
COUNTS = st.integers(0, 10**12)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.none() | NUMBERS)
LATENTS = st.builds(LatentId, TEXTS, COUNTS)
DETAILS = st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=3), max_size=3)
EXPLANATIONS = st.builds(
    Explanation, LATENTS, TEXTS, st.none() | TEXTS, st.none() | FAILURES, USAGES, DETAILS
)
SCORES = st.builds(
    Score,
    LATENTS,
    TEXTS,
    st.none() | TEXTS,
    st.none() | NUMBERS,
    st.dictionaries(TEXTS, st.none() | NUMBERS, max_size=3),
    st.lists(DETAILS, max_size=3).map(tuple),
    st.lists(FAILURES, max_size=2).map(tuple),
    USAGES,
    st.none() | TEXTS,
)


@given(EXPLANATIONS)
def test_an_explanation_comes_back_as_it_was(found):
    back = explanation_of(json.loads(json.dumps(encode(found), allow_nan=False)))
    assert back == found and type(back.latent) is LatentId


@given(SCORES)
def test_a_score_comes_back_as_it_was(found):
    back = score_of(json.loads(json.dumps(encode(found), allow_nan=False)))
    assert back == found and type(back.latent) is LatentId


def test_figures_come_back():
    found = LatentFigures(0.125, 3.5, 7)
    assert figures_of(encode(found)) == found


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(odd):
    for found in (
        Score(LATENT, "detection", "x", odd),
        Score(LATENT, "detection", "x", 0.5, {"f1": odd}),
        Score(LATENT, "detection", "x", 0.5, {}, ({"probability": odd},)),
        Explanation(LATENT, "default", "x", details={"seconds": odd}),
    ):
        with pytest.raises(InputError, match="JSON holds no"):
            encode(found)


EXPLANATION = Explanation(LATENT, "default", "weddings", Failure("unparsed", "odd"), Usage(1, 2, 3))
SCORE = Score(LATENT, "detection", "weddings", 0.5, {"f1": None}, ({"truth": True},), (Failure("a", "b"),))


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("latent", ["layers.3"]),
        ("latent", ["layers.3", True]),
        ("latent", [3, 3]),
        ("explainer", None),
        ("text", 5),
        ("failure", {"kind": "a"}),
        ("failure", "unparsed"),
        ("usage", {"requests": 1}),
        ("usage", encode(EXPLANATION)["usage"] | {"requests": 1.5}),
        ("details", [1]),
    ],
)
def test_a_field_that_is_odd_is_named(name, odd):
    with pytest.raises(CorruptFile, match=rf"an explanation whose {name} is|a failure|a usage"):
        explanation_of(encode(EXPLANATION) | {name: odd})


@pytest.mark.parametrize(
    ("name", "odd"),
    [("value", "high"), ("value", True), ("figures", {"f1": "?"}), ("rows", {}), ("rows", [3])],
)
def test_an_odd_field_of_a_score_is_named(name, odd):
    with pytest.raises(CorruptFile, match=f"a score whose {name} is"):
        score_of(encode(SCORE) | {name: odd})


def test_a_score_of_an_earlier_version_does_not_say_whose_explanation_it_judged():
    whole = encode(replace(SCORE, explainer="default"))
    assert score_of(whole).explainer == "default"
    del whole["explainer"]
    assert score_of(whole) == SCORE and SCORE.explainer is None
    with pytest.raises(CorruptFile, match="a score whose explainer is 3"):
        score_of(whole | {"explainer": 3})


def test_missing_and_unknown_fields_are_named():
    whole = encode(SCORE)
    with pytest.raises(CorruptFile, match="a score without rows"):
        score_of({name: each for name, each in whole.items() if name != "rows"})
    with pytest.raises(CorruptFile, match="'mood', which this version does not know"):
        score_of(whole | {"mood": 1})
    with pytest.raises(CorruptFile, match="a score is a mapping"):
        score_of([])
    assert score_of(whole) == SCORE != score_of(whole | {"value": 0.25}) == replace(SCORE, value=0.25)
