import pytest

from saesteer.concepts import by_words
from saesteer.errors import InputError


def test_words_are_whole_words_in_any_case():
    texts = ["The Sea rose.", "A search began.", "Her ring, lost.", "It rings.", "The Sea rose."]
    concept = by_words(["sea", " ring"], texts)
    assert concept.positive == ("The Sea rose.", "Her ring, lost.")
    assert concept.negative == ("A search began.", "It rings.")


def test_a_word_is_no_regular_expression():
    assert by_words(["c.t"], ["a c.t b", "a cat b"]).negative == ("a cat b",)


def test_each_side_holds_two_hundred_at_most():
    texts = [f"the sea {i}" for i in range(300)] + [f"the hill {i}" for i in range(300)]
    concept = by_words(["sea"], texts)
    assert len(concept.positive) == len(concept.negative) == 200
    assert concept.positive[-1] == "the sea 199"


@pytest.mark.parametrize("words", [[], [""], [" ", ""], ["nothing"], ["the"]])
def test_words_that_make_no_contrast(words):
    with pytest.raises(InputError):
        by_words(words, ["The sea rose.", "The ring shone."])
