"""Tokens put together to words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.explainers.words import words_of
from tests.explainers.made import tokened


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([" wed", "ding", " bells"], ["wedding", "bells"]),
        (["Un", "believ", "able", ".", " No"], ["Unbelievable", ".", "No"]),
        ([" don", "'t", " stop"], ["don't", "stop"]),
        ([" it", "\u2019", "s"], ["it", "\u2019", "s"]),
        ([" said", ",", ' "', "Go", '"'], ["said", ",", '"', "Go", '"']),
        ([" ", "spaced", " ", " out"], ["spaced", "out"]),
        ([" na\u00ef", "ve"], ["na\u00efve"]),
        ([" caf\u00e9", "", " noir"], ["caf\u00e9", "noir"]),  # a letter cut in two
        (["\u6211", "\u559c", "\u6b22"], ["\u6211", "\u559c", "\u6b22"]),
        (["line", "\n", "next"], ["line", "\n", "next"]),
        ([" x", "=", "1", "0"], ["x", "=", "10"]),
        ([" 3", ".", "14"], ["3", ".", "14"]),
    ],
)
def test_pieces_are_joined_where_the_tokens_say_so(tokens, words):
    assert [each.text for each in words_of(tokened(tokens, [0.0] * len(tokens)))] == words


def test_a_word_is_as_active_as_its_strongest_piece():
    found = words_of(tokened([" wed", "ding", " day"], [1.0, 3.0, 0.0]))
    assert [(each.text, each.activation, each.first, each.last) for each in found] == [
        ("wedding", 3.0, 0, 1),
        ("day", 0.0, 2, 2),
    ]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=12))
def test_words_cover_every_token_once(tokens):
    found = words_of(tokened(tokens, range(len(tokens))))
    assert [i for each in found for i in range(each.first, each.last + 1)] == list(range(len(tokens)))
    assert [each.activation for each in found] == [each.last for each in found]
