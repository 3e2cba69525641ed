"""Closeness to a concept's texts, with the embedder that needs no weights."""

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.judges import JudgeRequest, load_judge
from saesteer.text import Concept, load_concept

SEA = Concept(
    "sea", "the ship sailed over the sea",
    ("the ship sailed the sea", "a wave over the ship", "salt and sea and sail"),
    ("the clerk wrote a letter", "a letter over the desk", "ink and paper and pen"),
)  # fmt: skip


def judged(judge, *texts, concept=SEA):
    return [each.behaviour for each in judge.judge([JudgeRequest(text, "", concept) for text in texts])]


@pytest.mark.parametrize("about", ["texts", "description", "both"])
def test_the_concepts_own_sides_are_the_ends_of_the_scale(about):
    judge = load_judge(f"embedding[about={about}]:hashed_words")
    (found,) = judge.judge([JudgeRequest("the ship sailed", "", SEA)])
    assert found.coherence is None and found.detail["none"] < found.detail["all"]
    places = [each.detail["place"] for each in judge.judge([JudgeRequest(t, "", SEA) for t in SEA.positive])]
    assert sum(places) / 3 == pytest.approx(found.detail["all"])
    low, high = judged(judge, "ink and paper and letter", "the ship on the sea")
    assert low < 0.3 < 0.7 < high


def test_a_text_that_says_nothing_is_near_to_nothing():
    assert judged(load_judge("embedding:hashed_words"), " ", "!!!") == [0.0, 0.0]


def test_it_tells_the_worlds_weddings_from_other_texts():
    concept = load_concept("world/wedding")
    half, rest = concept.split(0.5)
    judge = load_judge("embedding:hashed_words")
    yes, no = (judged(judge, *side, concept=half) for side in (rest.positive, rest.negative))
    assert min(sum(yes) / len(yes) - sum(no) / len(no), 1.0) > 0.5


def test_sides_that_are_alike_are_refused():
    alike = Concept("x", "x", ("one two", "two one"), ("one  two", "two  one"))
    with pytest.raises(InputError, match="does not tell"):
        load_judge("embedding:hashed_words").check(alike)


def test_what_cannot_be_meant():
    with pytest.raises(UnknownName, match="about"):
        load_judge("embedding[about=title]:hashed_words")
    bare = Concept("x", "", SEA.positive, SEA.negative)
    with pytest.raises(InputError, match="no description"):
        load_judge("embedding[about=both]:hashed_words").check(bare)


def test_what_changes_figures_changes_the_fingerprint():
    lines = ("embedding:hashed_words", "embedding[about=both]:hashed_words")
    assert len({load_judge(line).fingerprint() for line in (*lines, lines[0])}) == 2
