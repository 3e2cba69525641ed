"""Words of a concept's texts: those that are there by more than chance, and no others."""

import random

from saesteer.text import load_concept
from saesteer.text.over_represented import over_represented


def test_words_of_most_positive_texts_are_found_and_common_ones_are_not():
    positive = [f"the sea was {each} and the ship went out" for each in ("calm", "wild", "grey", "blue")] * 3
    negative = [f"the cat was {each} and the man went out" for each in ("calm", "wild", "grey", "blue")] * 3
    assert over_represented(positive, negative) == ("sea", "ship")


def test_a_text_counts_once_however_often_it_has_a_word():
    positive = ["sea " * 50 + "was there", *["the man was there"] * 11]
    assert over_represented(positive, ["the man was there"] * 12) == ()


def test_random_words_are_rarely_found():
    rng = random.Random(0)
    words = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(20)]
    texts = [" ".join(rng.sample(words, 60)) for _ in range(40)]
    assert len(over_represented(texts[:20], texts[20:])) <= 3


def test_of_short_published_lists_the_concepts_word_is_found():
    positive = ["Planning a wedding", "Choosing wedding dress", "Booking wedding venue",
                "Writing wedding vows",
                "Hiring wedding photographer", "Save the date", "They got married"]  # fmt: skip
    negative = ["Discussing world politics", "Exploring space science", "Cooking everyday meals",
                "Save the planet",
                "Playing video games", "Studying ancient history", "They went to the cinema"]  # fmt: skip
    assert over_represented(positive, negative) == ("wedding",)


def test_nothing_of_nothing_and_case_does_not_matter():
    assert over_represented([], ["a b"]) == () and over_represented(["1 2 3"], ["a"]) == ()
    assert over_represented(["The SEA"] * 9 + ["the sea"] * 9, ["the cat"] * 18) == ("sea",)


def test_words_that_only_one_side_has_are_clearer_than_common_words_of_both():
    """A concept has many words of its own, each in some of its texts and in none of the others."""
    texts = load_concept("world/wedding")
    found = over_represented(texts.positive, texts.negative)
    assert {"bride", "groom", "altar", "bouquet"} <= set(found[:20])


def test_a_rare_word_of_one_side_is_no_evidence():
    """Two texts of 64 may both lie on one side by chance, and some of many words do."""
    positive = ["plain words"] * 62 + ["plain comet words"] * 2
    assert over_represented(positive, ["plain words"] * 64) == ()
