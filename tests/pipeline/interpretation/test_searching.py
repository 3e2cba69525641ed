"""A search over explanations: the nearest first, and nothing that has nothing in common."""

from saesteer.examples import Explanation, Interpretation, LatentId
from saesteer.pipeline.interpretation import search_explanations

TEXTS = ("the sea and boats", "money", "a boat", None)
FOUND = Interpretation(
    tuple(Explanation(LatentId("a", number), "e", text) for number, text in enumerate(TEXTS)), (), {}
)


def test_what_shares_a_word_is_found_and_nothing_else():
    found = search_explanations(FOUND, "a boat at sea", embedder="hashed_words")
    assert [each.text for each in found.rows] == ["a boat", "the sea and boats"]
    assert all(0 < each.similarity <= 1 for each in found.rows)
    assert search_explanations(FOUND, "weddings", embedder="hashed_words").rows == ()
