"""Lists of 0 and 1 are read out of whatever a model writes, and nothing else is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import Failure
from saesteer.llms import Reply, TokenChoice
from saesteer.scorers.yes_no import Answer, Question, parse_answers, shared_out
from tests.scorers.records import example_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 0, 1]", (1, 0, 1)),
        ("[1,0,1]", (1, 0, 1)),
        (" [ 1 ,0, 1 , ] ", (1, 0, 1)),
        ("Answer: [1, 0, 1].", (1, 0, 1)),
        ("```json\n[1,\n 0,\n 1]\n```", (1, 0, 1)),
        ("<think>[0, 0, 0]? No.</think>\n[1, 0, 1]", (1, 0, 1)),
        ("Text [7] is the hard one: [0, 0, 0]", (0, 0, 0)),
    ],
)
def test_good_replies(text, expected):
    assert tuple(each.said for each in parse_answers(Reply(text), 3)) == tuple(map(bool, expected))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unparsed"),
        ("1, 0, 1", "unparsed"),
        ("[1 0 1]", "unparsed"),
        ("[1, 0, 2]", "unparsed"),
        ("[1, 0, 1", "unparsed"),
        ("[]", "unparsed"),
        ("[true, false, true]", "unparsed"),
        ("[101]", "unparsed"),
        ("[1.0, 0.0, 1.0]", "unparsed"),
        ("I cannot help with that.", "unparsed"),
        ("[1, 0]", "wrong_number"),
        ("[1, 0, 1, 0]", "wrong_number"),
        ("[1, 0, 1] or rather [1, 0]", "wrong_number"),
    ],
)
def test_bad_replies(text, kind):
    found = parse_answers(Reply(text), 3)
    assert isinstance(found, Failure) and found.kind == kind
    assert text[:20] in found.message


def test_a_reply_that_was_cut_off_says_so():
    found = parse_answers(Reply("Let me think about", "length"), 3)
    assert isinstance(found, Failure) and "cut off" in found.message


@given(st.text(), st.integers(1, 6))
def test_any_text_is_answers_or_a_failure(text, expected):
    found = parse_answers(Reply(text), expected)
    assert isinstance(found, Failure) or len(found) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.text(alphabet="abc .:-\n"))
def test_what_was_said_is_read_back(answers, around):
    text = around + str([int(each) for each in answers]) + around
    assert [each.said for each in parse_answers(Reply(text), len(answers))] == answers


_token = st.builds(
    TokenChoice,
    st.text(max_size=4),
    st.floats(-20, 0),
    st.lists(st.tuples(st.text(max_size=4), st.floats(-20, 1)), max_size=4).map(tuple),
)


@given(st.sampled_from(["[1, 0]", "", "[1]", "x [0, 1]"]), st.lists(_token, max_size=8))
def test_no_logprobs_break_the_parser(text, tokens):
    found = parse_answers(Reply(text, logprobs=tuple(tokens)), 2)
    assert isinstance(found, Failure) or all(0 <= (each.probability or 0) <= 1 for each in found)


def spelled(*tokens):
    """Tokens, some with the probability of 1 instead of 0."""
    found = []
    for token, yes in tokens:
        top = ((token, 0.0),)
        if yes is not None:
            space = token[: len(token) - 1]
            top = ((f"{space}1", math.log(0.5 * yes)), ("0", math.log(0.5 * (1 - yes))), ("x", math.log(0.5)))
        found.append(TokenChoice(token, 0.0, top))
    return tuple(found)


@pytest.mark.parametrize(
    "tokens",
    [
        [("[", None), ("1", 0.9), (",", None), (" 0", 0.25), ("]", None)],
        [("[1", 0.9), (", ", None), ("0", 0.25), ("]", None), ("<end>", None)],
        [("\n", None), ("[", None), ("1", 0.9), (", ", None), ("0", 0.25), ("]", None)],
    ],
)
def test_probabilities_come_from_the_token_of_each_answer(tokens):
    choices = spelled(*tokens)
    found = parse_answers(Reply("[1, 0]", logprobs=choices), 2)
    assert [each.said for each in found] == [True, False]
    assert [each.probability for each in found] == pytest.approx([0.9, 0.25])


@pytest.mark.parametrize(
    "tokens",
    [
        [("[1, 0]", None)],  # one token for all answers
        [("[", None), ("0", 0.5), ("]", None)],  # of another text
        [],
    ],
)
def test_no_probability_where_none_can_be_told(tokens):
    found = parse_answers(Reply("[1, 0]", logprobs=spelled(*tokens)), 2)
    assert found == (Answer(True, None), Answer(False, None))


@given(st.integers(1, 40), st.integers(1, 9))
def test_every_question_is_asked_once(count, size):
    questions = [Question(example_of([" a"], [1.0], start=at), "", True) for at in range(count)]
    parts = shared_out(questions, size, np.random.default_rng(0))
    assert sorted(each.example.start for part in parts for each in part) == list(range(count))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert 1 <= len(parts[-1]) <= size
