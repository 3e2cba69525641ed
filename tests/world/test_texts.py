"""Texts on request: stories about a concept, stories without it, prompts, openings."""

import pytest

from saesteer.errors import UnknownName
from saesteer.methods import candidates
from saesteer.world.reading import judge_text, read_sentence
from saesteer.world.surface import split_sentences
from saesteer.world.texts import openings, prefixes, story_about, world_concept
from saesteer.world.words import CONCEPTS


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_story_about_a_concept_is_well_formed_and_keeps_to_it(concept):
    for seed in range(5):
        verdict = judge_text(story_about(concept, seed).text)
        body = verdict.sentences[1:-1]
        assert verdict.coherence == 1.0
        assert sum(concept in v.concepts for v in body) >= 0.5 * len(body)


def test_a_concept_has_texts_with_and_without_it():
    concept = world_concept("wedding")
    assert len(concept.positive) == len(concept.negative) == 64
    assert all(judge_text(text).behaviour(["wedding"]) > 0.2 for text in concept.positive)
    assert all(judge_text(text).behaviour(["wedding"]) == 0 for text in concept.negative)
    assert not set(concept.positive) & set(concept.negative)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_there_are_ten_prompts_of_three_kinds_and_they_fit_any_opening(concept):
    found = prefixes(concept)
    assert len(set(found)) >= 10
    assert candidates(world_concept(concept)) == found
    opening = openings(1)[0]
    for prefix in found:
        text = prefix.replace("{prompt}", opening)
        assert judge_text(text).coherence == 1.0, text
    before = [p for p in found if p.endswith("{prompt}")]
    after = [p for p in found if p.startswith("{prompt}")]
    assert before and after and len(before) + len(after) < len(found)


def test_openings_are_different_and_neutral():
    found = openings(40)
    assert len(set(found)) == 40
    for text in found:
        assert split_sentences(text) == ([text], "")
        reading = read_sentence(text)
        assert reading is not None
        assert reading.part == "opening" and reading.concepts == ()


def test_the_same_name_gives_the_same_texts():
    world_concept.cache_clear()
    first = world_concept("sea")
    world_concept.cache_clear()
    assert world_concept("sea") == first


def test_an_unknown_concept_names_the_nearest():
    with pytest.raises(UnknownName, match="wedding"):
        world_concept("weding")
