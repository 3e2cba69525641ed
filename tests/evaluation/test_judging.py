"""Rows as the world's own judge fills them; a prefix and its open end."""

import pytest

from saesteer.evaluation import Arm, Surprise
from saesteer.evaluation.arms import Sample
from saesteer.evaluation.judging import judged_rows
from saesteer.judges import load_judge
from saesteer.text import load_concept

PROMPT = "Once there was"


@pytest.fixture(scope="module")
def wedding():
    return load_concept("world/wedding")


def rows_of(concept, texts, prefix="{prompt}"):
    samples = [Sample(Arm(concept, "x", prefix=prefix), 0.0, PROMPT, number) for number in range(len(texts))]
    halves = {PROMPT: "selection"}
    return judged_rows(load_judge("oracle"), samples, texts, [Surprise(8.0, 4)] * len(texts), halves)


def test_the_oracles_figures_and_counts_reach_the_rows(wedding):
    story, other = wedding.positive[0], wedding.negative[0]
    told, plain = rows_of(wedding, [f" {story}", f" {other}"], prefix="{prompt} They went on.")
    assert told.ok and told.coherence == 1.0 and plain.coherence == 1.0
    assert told.behaviour > 0.5 and plain.behaviour == 0.0
    assert told.sentences == told.well_formed and told.expressing == round(told.behaviour * told.sentences)
    assert (told.nll, told.tokens) == (2.0, 4)
    assert "grade" in told.detail


def test_a_broken_text_is_data_and_a_text_without_words_too(wedding):
    broken, empty = rows_of(wedding, [" the the the. of of bride.", ""], prefix="{prompt} They went on.")
    assert broken.ok and broken.coherence == 0.0
    assert empty.ok and empty.behaviour == 0.0 and empty.sentences == 0
