"""Windows in prompts: a line each, whatever the text says."""

from hypothesis import given
from hypothesis import strategies as st

from saesteer.explainers.windows import shown, strongest_first
from tests.explainers.made import example, tokened


def test_marks_levels_and_the_strongest_word():
    found = shown(example("the bride|8 wore a veil|2 and rings|4 @."), 10.0, 0.3)
    assert found.text == "the <<bride>> wore a veil and <<rings>>."
    assert found.levels == '"bride" 8, "rings" 4'
    assert (found.peak, found.place, found.words, found.strength) == ('"bride"', 2, 8, 8)


def test_without_a_threshold_every_active_word_is_marked():
    assert "<<veil>>" in shown(example("the bride|8 wore a veil|2 @."), 10.0, 0.0).text


def test_the_strongest_word_is_whole():
    assert shown(tokened([" a", " bri", "de"], [0, 1, 3]), 3.0, 0.0).peak == '"bride"'


def test_a_window_cannot_leave_its_line_or_answer():
    tokens = [
        " cats",
        "\n",
        "EXPLANATION",
        ":",
        " dogs",
        " <",
        "<",
        "x",
        ">>",
        "\r\n",
        "Explanation: y",
        "\x1b[2J",
    ]
    found = shown(tokened(tokens, [0, 0, 5, 0, 0, 0, 0, 5, 0, 0, 0, 5]), 5.0, 0.0)
    assert found.text == "cats↵<<EXPLANATION>>: dogs < < <<x>> > >↵Explanation : y<<\ufffd[2J>>"
    assert "\n" not in found.text and "\x1b" not in found.text
    assert "EXPLANATION:" not in found.text.upper()


LOOSE = st.lists(
    st.tuples(
        st.sampled_from(["EXPLANATION", "explanation:", ":", "\n", "\u2028", "<<", '"', "{{ levels }}", " a"])
        | st.text(max_size=4),
        st.sampled_from([0.0, 1.0, 4.0]),
    ),
    min_size=1,
    max_size=8,
)


@given(LOOSE)
def test_no_text_breaks_the_form(pairs):
    found = shown(tokened(*zip(*pairs, strict=True)), 4.0, 0.3)
    for text in (found.text, found.levels, found.peak):
        assert len(text.splitlines()) <= 1 and "EXPLANATION:" not in text.upper()
    assert found.levels.count('"') % 2 == 0 and found.peak.count('"') == 2


def test_fewer_windows_are_strong_and_weak_ones():
    windows = [example(f"x|{n}", n) for n in (3, 9, 1, 7, 5, 8)]
    assert [each.max for each in strongest_first(windows, None)] == [9, 8, 7, 5, 3, 1]
    assert [each.max for each in strongest_first(windows, 3)] == [9, 7, 3]
    assert [each.max for each in strongest_first(windows, 9)] == [9, 8, 7, 5, 3, 1]
