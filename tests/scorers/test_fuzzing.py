"""Fuzzing: which marks are shown, and known answers of the oracle."""

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.scorers.marks import mean_count, random_marks, true_marks
from saesteer.world.oracle_client import OracleClient
from tests.scorers.records import FailsEveryThird, Says, example_of, record, said


def scored(client, of=None, **options):
    return asyncio.run(Fuzzing(client, **options).score(of or record(), said()))


def asked(of, **options):
    """Window and marks with the truth, over all requests."""
    tasks = [each.task for each in Fuzzing(OracleClient(), **options).requests(of, "a wedding")]
    return [found for task in tasks for found in zip(task.windows, task.marks, task.truth, strict=True)]


def test_it_is_in_the_table():
    assert SCORERS.get("fuzzing") is Fuzzing
    assert isinstance(Fuzzing(OracleClient()), Scorer)


@pytest.mark.parametrize("negatives", ["silent", "active"])
@pytest.mark.parametrize("error", [0.0, 0.2, 0.5])
def test_the_error_of_the_client_is_found_again(negatives, error):
    many = record(active=500, silent=500)
    found = scored(OracleClient(error, reads="activity"), many, negatives=negatives)
    wrong = 4 * math.sqrt(error * (1 - error) / 1000)
    assert found.value == pytest.approx(1 - error, abs=wrong + 1e-9)
    assert found.scorer == ("fuzzing" if negatives == "silent" else "fuzzing_active")
    assert len(found.rows) == 1000 and not found.failures


def test_right_marks_are_where_the_latent_is_active():
    of = record()
    right = [(window, marks) for window, marks, truth in asked(of) if truth]
    assert sorted(right) == sorted((each.tokens, tuple(each.active.tolist())) for each in of.test)


def test_silent_windows_get_as_many_marks_as_active_ones_have_on_average():
    of = record(active=40, silent=40)
    mean = round(np.mean([each.active.sum() for each in of.test]))
    assert mean == mean_count(of.test) == 2
    assert {sum(marks) for _, marks, truth in asked(of) if not truth} == {2}


def test_wrong_marks_in_active_windows_are_on_silent_tokens():
    of = record()
    active = {each.tokens: each.active for each in of.test}
    wrong = [(window, np.array(marks)) for window, marks, truth in asked(of, negatives="active") if not truth]
    assert len(wrong) == len(of.test)
    for window, marks in wrong:
        assert not (marks & active[window]).any() and marks.sum() == active[window].sum()


def test_wrong_marks_are_drawn_for_each_window_by_the_seed():
    silent = tuple(example_of([" the"] * 12, [0] * 12, start=at * 12, kind="random") for at in range(30))
    of = replace(record(), silent_test=silent)

    def wrong(seed):
        return sorted(marks for _, marks, truth in asked(of, seed=seed) if not truth)

    assert wrong(0) == wrong(0) != wrong(1)
    assert len(set(wrong(0))) > 15


def test_a_window_that_is_active_everywhere_has_no_wrong_marks():
    of = replace(record(), test=(example_of([" a", " b"], [1, 2]), example_of([" a", " b"], [0, 2], 2)))
    found = asked(of, negatives="active")
    assert sorted((marks, truth) for _, marks, truth in found) == [
        ((False, True), True),
        ((True, False), False),
        ((True, True), True),
    ]


def test_marks_of_weak_tokens_can_be_left_out():
    window = example_of([" a", " b", " c"], [1.0, 4.0, 2.0])
    assert true_marks(window).tolist() == [True, True, True]
    assert true_marks(window, 0.3).tolist() == [False, True, True]


def test_a_prompt_can_be_read():
    silent = example_of([" <<sea>>", "\n"], [0, 0], start=3, kind="random")
    of = replace(record(), test=(example_of([" a", " b b", "!"], [0, 1, 1]),), silent_test=(silent,))
    (request,) = Fuzzing(OracleClient()).requests(of, "b")
    first, *texts, last = request.messages[1].content.splitlines()
    assert (first, last) == ("Description: b", "Answer:")
    assert {text[3:] for text in texts} == {" a <<b b!>>", " << < <sea> >↵>>"}


@given(
    st.lists(st.sampled_from([" ", "\n", " a", "b"]), min_size=1, max_size=9), st.integers(0, 12), st.data()
)
def test_random_marks_keep_to_free_tokens_and_words_first(tokens, count, data):
    values = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(tokens), max_size=len(tokens)))
    window = example_of(tokens, values)
    marks = random_marks(window, count, np.random.default_rng(0), window.active)
    assert not (marks & window.active).any()
    assert marks.sum() == min(count, (~window.active).sum())
    words = [place for place, token in enumerate(tokens) if token.strip() and not window.active[place]]
    blanks = marks.sum() - marks[words].sum()
    assert not blanks or marks[words].all()


def test_failures_are_counted():
    found = scored(FailsEveryThird(OracleClient(reads="activity")), n_shown=4)
    assert len(found.rows) + len(found.failures) == 40 and len(found.failures) == 12
    assert {each.kind for each in found.failures} == {"unavailable"} and found.value == 1.0
    empty = scored(Says(lambda request: ""), replace(record(), test=(), silent_test=()))
    assert [each.kind for each in empty.failures] == ["too_few_examples"]


def test_settings_are_checked_and_in_the_fingerprint():
    made = [Fuzzing(OracleClient(), **each) for each in ({}, {"negatives": "active"}, {"threshold": 0.3})]
    assert len({each.fingerprint() for each in made}) == 3
    with pytest.raises(InputError, match="silent, active"):
        Fuzzing(OracleClient(), negatives="none")
    with pytest.raises(InputError, match="threshold"):
        Fuzzing(OracleClient(), threshold=1.0)
