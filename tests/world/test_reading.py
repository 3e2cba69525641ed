"""The oracle: well-formedness, concepts, and texts that were cut off."""

import pytest

from saesteer.world.reading import can_become_sentence, judge_text, read_sentence
from saesteer.world.story import tell
from saesteer.world.surface import takes_an


@pytest.mark.parametrize(
    "sentence",
    [
        "She carried the bouquet to the altar in Harlow.",
        "Then Anna put the bouquet on the shelf.",
        "In the morning, the bride danced near the altar.",
        "Hours went by.",
        'Tom asked, "Where is the bouquet?"',
    ],
)
def test_sentences_of_the_grammar_are_read(sentence):
    assert read_sentence(sentence) is not None


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("rain rain rain rain.", "word salad"),
        ("She carried the bouquet to the in Harlow.", "a missing word"),
        ("Carried the bouquet she to the altar.", "the wrong order"),
        ("She carried the bouquet to the submarine altar in Harlow.", "a word too many"),
        ("Anna lost the bouquet somewhere in the bride.", "a person for a place"),
        ("She carried the bouquet to the infirmary in Harlow.", "two topics in one sentence"),
        ("She carried the box to the hall in Harlow.", "no word of any concept in a concept's frame"),
        ("Anna found a altar.", "a/an"),
        ("The usher bedecked the sequins and kept his his things.", "a doubled word"),
        ("There were ribbons and ribbons all over the shelf.", "the same word twice"),
    ],
)
def test_anything_else_is_not(sentence, why):
    assert read_sentence(sentence) is None, why


def test_the_concept_is_that_of_the_words():
    assert read_sentence("She carried the bouquet to the altar in Harlow.").concepts == ("wedding",)
    assert read_sentence("She carried the bouquet to the hall in Harlow.").concepts == ("wedding",)
    assert read_sentence("Hours went by.").concepts == ()


def test_a_register_is_a_second_concept():
    found = [s for seed in range(300) for s in tell(seed).sentences if len(s.concepts) == 2]
    assert found
    for sentence in found:
        assert sentence.concepts[0] in ("insults", "archaic", "polite")


def test_every_cut_of_a_story_is_free_of_malformed_sentences():
    for seed in range(25):
        text = tell(seed).text
        for end in range(1, len(text), 3):
            cut = judge_text(text[:end])
            assert all(v.well_formed for v in cut.sentences), text[:end]


@pytest.mark.parametrize(
    "tail", ["rain rain rain", "She carried the the altar", "Anna said goodbye wedding", '" She']
)
def test_a_tail_that_leads_nowhere_counts_as_a_malformed_sentence(tail):
    assert not can_become_sentence(tail)
    verdict = judge_text("Hours went by. " + tail)
    assert verdict.coherence == 0.5


def test_texts_without_sentences():
    assert judge_text("").sentences == ()
    assert judge_text("").coherence == 0.0
    assert judge_text("\x00\ufffd").coherence == 0.0


def test_behaviour_is_strict_and_lenient():
    verdict = judge_text("She carried the bouquet to the altar in Harlow. Bride altar the. Hours went by.")
    assert verdict.coherence == pytest.approx(2 / 3)
    assert verdict.behaviour(["wedding"]) == pytest.approx(1 / 3)
    assert verdict.lenient(["wedding"]) == pytest.approx(2 / 3)


def test_a_or_an():
    assert [takes_an(w) for w in ("apple", "hour", "usher", "uniform", "european", "umbrella", "one")] == [
        True,
        True,
        True,
        False,
        False,
        True,
        False,
    ]
