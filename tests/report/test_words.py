"""Numbers and texts as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.report.plots import short as short_name
from saesteer.report.words import (
    bare_token,
    chance,
    cut,
    duration,
    number,
    short,
    signed,
    times,
    token,
    visible,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.314, "0.31"),
        (-0.314, "−0.31"),  # noqa: RUF001
        (-0.001, "0.00"),
        (None, "–"),  # noqa: RUF001
        (math.inf, "∞"),
        (math.nan, "–"),  # noqa: RUF001
        (0.0, "0.00"),
    ],
)
def test_numbers(value, shown):
    assert number(value) == shown


def test_signs_and_multiples():
    assert (signed(0.2), signed(-0.2), signed(-0.001), signed(0)) == ("+0.20", "−0.20", "+0.00", "+0.00")  # noqa: RUF001
    assert (times(6.24), times(61.7), times(math.inf)) == ("6.2×", "62×", "∞×")  # noqa: RUF001
    assert times(math.nan) == "–"  # noqa: RUF001


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1240.4, "1,240"), (3.094, "3.09"), (0.01449, "0.0145"), (8.19e-05, "8.19e-05"), (0, "0"),
     (-0.5, "−0.5"), (math.inf, "∞"), (math.nan, "–")],  # noqa: RUF001
)  # fmt: skip
def test_figures_of_any_size(value, shown):
    assert short(value) == shown


def test_chances_and_durations():
    assert [chance(each) for each in (0.0004, 0.001, 0.0312, 1.0)] == ["< 0.001", "0.001", "0.031", "1"]
    assert [duration(each) for each in (48.2, 720, 12600)] == ["48 s", "12 min", "3.5 h"]


def test_tokens_show_their_white_space():
    assert token("\n a\tb") == "↵ a⇥b"
    assert (bare_token(" sea"), bare_token("sea"), bare_token("")) == ("·sea", "sea", "∅")


@given(st.text(st.characters(), max_size=30))
def test_visible_text_can_be_written_and_changes_nothing_else(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert len(shown) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, shown, strict=True))
    assert not any(character < " " and character not in "\t\n" for character in shown)


def test_names_lose_their_family_and_no_other_slash():
    assert cut("world/wedding", 8) == "wedding" and short_name("world/wedding") == "wedding"
    assert cut("Mean of texts 1/2 (CAA)", 18) == "Mean of texts 1/2…" and short_name("and/or") == "and/or"
