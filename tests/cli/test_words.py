"""Whatever a text holds, the terminal only gets letters."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.cli.words import one_line, shown_token, visible

BIDI = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_left(text):
    for found, allowed in ((visible(text), "\n\t"), (one_line(text), ""), (shown_token(text), "")):
        assert not [c for c in found if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]
        assert not BIDI & set(found)
        found.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain [bold] text\n\tgoes on", "plain [bold] text\n\tgoes on"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("bell\a", "bell␇"),
        ("\x9b31m\x7f", "\ufffd31m␡"),
        ("é\u202etxt\ud800", "é\ufffdtxt\ufffd"),
    ],
)
def test_what_is_shown_instead(text, expected):
    assert visible(text) == expected


def test_one_line():
    assert one_line(" a\n\n b\tc ") == "a b c"


@pytest.mark.parametrize(
    ("token", "expected"),
    [(" the", "·the"), ("", "∅"), ("\n", "↵"), ("a b", "a b"), ("\t", "⇥"), ("\r", "␍")],
)
def test_a_token_on_its_own(token, expected):
    assert shown_token(token) == expected
