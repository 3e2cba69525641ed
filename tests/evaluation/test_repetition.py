"""Repetition counted by hand and by trying every stretch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.evaluation import longest_repeat, repeated_share

TEXTS = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


def test_by_hand():
    assert repeated_share("the sea the sea the sea", 2) == pytest.approx(3 / 5)
    assert repeated_share("the sea and the ship", 2) == 0 and repeated_share("sea", 2) is None
    assert longest_repeat("the sea was calm and the sea was wild") == 3
    assert longest_repeat("salt salt salt salt") == 3 and longest_repeat("a b c") == longest_repeat("") == 0
    assert longest_repeat("Sea and sea") == 1
    with pytest.raises(InputError, match="at least one word"):
        repeated_share("a", 0)


@given(TEXTS)
def test_the_longest_is_that_of_every_try(text):
    words = text.split()
    twice = [
        k
        for k in range(1, len(words))
        for i in range(len(words) - k + 1)
        if any(words[j : j + k] == words[i : i + k] for j in range(i + 1, len(words) - k + 1))
    ]
    assert longest_repeat(text) == max(twice, default=0)


@given(TEXTS, st.integers(1, 3))
def test_what_is_said_twice_is_repeated(text, n):
    share = repeated_share(text, n)
    assert share is None or 0 <= share < 1
    if share is not None:
        assert (share > 0) == (longest_repeat(text) >= n)
        assert repeated_share(f"{text} {text}", n) >= share
