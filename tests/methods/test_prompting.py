"""Candidate prefixes: templates around the prompt, from the concept's own or from its words."""

from __future__ import annotations

from saesteer.methods import candidates, prompting
from saesteer.text.concept import Concept
from tests.steering import tiny


def concept(**fields) -> Concept:
    given = {
        "name": "world/open_sea",
        "description": "Ships and the sea.",
        "positive": (
            "The ship sailed on. Then it sank.",
            "A wave came! All ran.",
            "Two sailors sang",
            "The tide is out. So are we.",
            "Gulls cried all day. It rained.",
        ),
        "negative": ("The cat sat.",),
    }
    return Concept(**{**given, **fields})


def test_titles_topical_sentences_and_both():
    found = candidates(concept())
    assert len(found) >= 10 and len(set(found)) == len(found)
    assert all(each.count("{prompt}") == 1 for each in found)
    assert "A story about open sea. {prompt}" in found
    assert "Ships and the sea. {prompt}" in found
    assert "The ship sailed on. {prompt}" in found and "A wave came! {prompt}" in found
    assert "A story about open sea. The ship sailed on. {prompt}" in found


def test_the_concept_s_own_prefixes_come_first_and_alone():
    own = concept(
        prefixes=("About the sea: {prompt}", "{prompt} The sea was calm.", "Ahoy!", "Ahoy! {prompt}")
    )
    assert candidates(own) == ("About the sea: {prompt}", "{prompt} The sea was calm.", "Ahoy! {prompt}")


def test_texts_that_hold_the_placeholder_or_are_too_long_are_left_out():
    odd = concept(
        description="", positive=("Say {prompt} twice.", "long " * 100 + ".", "The ship sailed on.")
    )
    found = candidates(odd)
    assert all(each.count("{prompt}") == 1 and len(each) < 250 for each in found)
    assert "The ship sailed on. {prompt}" in found and not any(each.startswith(" ") for each in found)


def test_braces_in_a_name_are_only_braces():
    assert "A story about {x} and {0}. {prompt}" in candidates(concept(name="{x} and {0}"))


def test_the_method_has_the_signature_of_the_others():
    assert prompting(tiny.llama(), concept()) == candidates(concept())


def test_a_slash_in_a_name_of_no_family_is_a_part_of_it():
    assert "A story about and/or. {prompt}" in candidates(concept(name="and/or"))
