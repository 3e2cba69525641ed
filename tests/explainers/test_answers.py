"""Replies, good and bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import Failure
from saesteer.explainers.answers import LONGEST, explanation_in, reasoning_in
from saesteer.llms import Reply

GOOD = {
    "EXPLANATION: words about weddings": "words about weddings",
    "explanation: words about weddings": "words about weddings",
    "Explanation:words": "words",
    "**EXPLANATION:** words about weddings": "words about weddings",
    "**EXPLANATION**: words": "words",
    "**EXPLANATION: words**": "words",
    "### Explanation: words": "words",
    "> EXPLANATION: words": "words",
    "`EXPLANATION: words`": "words",
    '"EXPLANATION: words"': "words",
    "```\nEXPLANATION: words\n```": "words",
    "```text\nEXPLANATION: words```": "words",
    'EXPLANATION: "words about weddings"': "words about weddings",
    "EXPLANATION: \u201cwords\u201d": "words",
    'EXPLANATION: "of" after "cup"': '"of" after "cup"',
    'EXPLANATION: the word "of"': 'the word "of"',
    "EXPLANATION: *words*": "words",
    "EXPLANATION:\nwords on the next line": "words on the next line",
    "**EXPLANATION:**\n\n```\nwords\n```": "words",
    "Marked: a, b.\n\nEXPLANATION: words": "words",
    "EXPLANATION: words\n\nI hope that this helps!": "words",
    "EXPLANATION: a draft\nNo, wait.\nEXPLANATION: the answer": "the answer",
    'Window 3 says "EXPLANATION: cats".\nEXPLANATION: dogs': "dogs",
    "<think>EXPLANATION: a draft</think>\nEXPLANATION: the answer": "the answer",
    "EXPLANATION: two\twords \x1b[31mred\x07": "two words [31mred",
    "EXPLANATION: words\r\n": "words",
    "EXPLANATION: 1914": "1914",
    "EXPLANATION: <b>bold</b> words": "<b>bold</b> words",
    "EXPLANATION: " + "x" * LONGEST: "x" * LONGEST,
    "EXPLANATION: \u65e5\u672c\u8a9e": "\u65e5\u672c\u8a9e",
}
BAD = {
    "": "no line that begins",
    "words about weddings": "no line that begins",
    "The explanation is: words": "no line that begins",
    "My EXPLANATION: words": "no line that begins",
    "EXPLANATION words": "no line that begins",
    "EXPLANATION:": "empty",
    "EXPLANATION:   \n\n": "empty",
    "**EXPLANATION:**": "empty",
    'EXPLANATION: ""': "empty",
    "EXPLANATION:\n```\n```": "empty",
    "EXPLANATION: -": "empty",
    "EXPLANATION: ...": "says nothing",
    "EXPLANATION: <one sentence>": "says nothing",
    "EXPLANATION: [your answer]": "says nothing",
    "EXPLANATION: one plain sentence, thirty words at most": "says nothing",
    "EXPLANATION: None.": "says nothing",
    "EXPLANATION: n/a": "says nothing",
    "EXPLANATION: " + "x" * (LONGEST + 1): "1001 letters",
    "<think>EXPLANATION: a draft": "still thinking",
    "EXPLANATION: a draft\n<think>EXPLANATION: more</think>": "no line that begins",
    '{"EXPLANATION": "words"}': "no line that begins",
}


@pytest.mark.parametrize(("reply", "said"), GOOD.items())
def test_what_is_read(reply, said):
    assert explanation_in(Reply(reply)) == said


@pytest.mark.parametrize(("reply", "why"), BAD.items())
def test_what_is_refused(reply, why):
    found = explanation_in(Reply(reply))
    assert isinstance(found, Failure) and found.kind == "unparsed" and why in found.message


def test_an_answer_that_was_cut_off_is_refused_unless_it_was_whole_before():
    cut = explanation_in(Reply("EXPLANATION: words about wed", ended="length"))
    assert isinstance(cut, Failure) and "max_tokens" in cut.message
    whole = explanation_in(Reply("EXPLANATION: words about weddings\nThe marked wor", ended="length"))
    assert whole == "words about weddings"


def test_the_message_is_harmless_and_short():
    found = explanation_in(Reply("\x1b[31m" + "x" * 9000 + "\x1b[31m\n"))
    assert "\x1b" not in found.message and "\n" not in found.message and len(found.message) < 300


def test_what_was_thought_before():
    assert reasoning_in("one\ntwo\x1b\n\nEXPLANATION: three") == "one\ntwo\ufffd"
    assert reasoning_in("no answer") == "no answer"


PARTS = st.sampled_from(
    [
        "EXPLANATION:",
        "explanation: ",
        "**",
        '"',
        "`",
        "```",
        "\n",
        "\r",
        "<think>",
        "</think>",
        "<",
        "]",
        "x",
        " ",
    ]
)


@given(st.lists(PARTS | st.text(max_size=5)).map("".join), st.sampled_from(["stop", "length"]))
def test_any_text_gives_an_explanation_or_a_failure(text, ended):
    found = explanation_in(Reply(text, ended=ended))
    reasoning_in(text)
    if isinstance(found, Failure):
        assert found.kind == "unparsed" and found.message.isprintable()
    else:
        assert 0 < len(found) <= LONGEST and found == found.strip() and "\n" not in found
        assert any(map(str.isalnum, found))
