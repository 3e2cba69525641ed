"""Marks of ours can be told from those of a text, whatever the tokens are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import marked


@pytest.mark.parametrize(
    ("tokens", "flags", "text"),
    [
        ([" the", " old", " bride"], [0, 1, 1], " the <<old bride>>"),
        ([" a", " b", " c"], [1, 0, 1], " <<a>> b <<c>>"),
        (["x <<y>>"], [0], "x < <y> >"),
        (["<", "<", "<"], [0, 0, 0], "< < < "),
        (["1", "<", "2", ">"], [0, 0, 1, 0], "1< <<2>> >"),
        (["<b", ">"], [1, 1], "<< <b> >>"),
    ],
)
def test_texts_between_marks(tokens, flags, text):
    assert marked(tokens, [bool(each) for each in flags]) == text


@given(st.lists(st.tuples(st.text("<>a \n", max_size=4), st.booleans()), max_size=9))
def test_what_is_marked_can_be_read_back(pairs):
    """Without white space and strokes of the text, the marked parts are the flagged tokens."""
    tokens, flags = [t for t, _ in pairs], [f for _, f in pairs]
    text = marked(tokens, flags)
    assert re.sub(r"<<|>>", "", text).count("<") == "".join(tokens).count("<")
    inside = "".join(re.findall(r"<<(.*?)>>", text, re.S))
    flagged = "".join(t for t, f in pairs if f)
    assert re.sub(r"\s", "", inside) == re.sub(r"\s", "", flagged)
