"""Intruder: who is among whom, what is read of the answer, and known answers of the oracle."""

import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.examples import Failure
from saesteer.llms import Reply, TokenChoice
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.intruder import Intruder, parse_number
from saesteer.world.oracle_client import OracleClient
from tests.scorers.records import FailsEveryThird, Says, example_of, record


def scored(client, of=None, **options):
    return asyncio.run(Intruder(client, **options).score(of or record(active=40, silent=40), None))


def test_it_is_in_the_table():
    assert SCORERS.get("intruder") is Intruder
    assert isinstance(Intruder(OracleClient()), Scorer)


@pytest.mark.parametrize(
    ("text", "number"),
    [("[3]", 3), (" [ 3 ]\n", 3), ("3", 3), ("3.", 3), ("[1]? No: [3]", 3), ("Text 2 of 9 fits. [3]", 3)],
)
def test_good_replies(text, number):
    assert parse_number(Reply(text), 5) == (number, None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unparsed"),
        ("the third", "unparsed"),
        ("3 or 4", "unparsed"),
        ("[3, 4]", "unparsed"),
        ("[0]", "wrong_number"),
        ("[6]", "wrong_number"),
    ],
)
def test_bad_replies(text, kind):
    found = parse_number(Reply(text), 5)
    assert isinstance(found, Failure) and found.kind == kind


@given(st.text(), st.integers(3, 9))
def test_any_text_is_a_number_or_a_failure(text, n):
    found = parse_number(Reply(text), n)
    assert isinstance(found, Failure) or 1 <= found[0] <= n


@pytest.mark.parametrize("odd", ["silent", "quantile"])
@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("marked", [False, True])
def test_the_truth_scores_one(odd, n, marked):
    found = scored(OracleClient(reads="activity"), odd=odd, n=n, marked=marked)
    assert found.value == 1.0 and len(found.rows) == 40 and not found.failures
    assert found.figures["chance"] == 1 / n and found.explanation is None
    assert found.scorer == ("intruder" if odd == "silent" else "intruder_quantile")
    assert all(row["probability"] == pytest.approx(1.0) for row in found.rows)
    assert {row["others_quantile"] for row in found.rows} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("error", [0.2, 0.5, 0.8])
def test_the_error_of_the_client_is_found_again(error):
    many = record(active=600, silent=600)
    found = scored(OracleClient(error, reads="activity"), many, questions=600)
    wrong = 4 * math.sqrt(error * (1 - error) / 600)
    assert found.value == pytest.approx(1 - error, abs=wrong)
    for row in found.rows:
        right = row["truth"] == row["said"]
        assert row["probability"] == pytest.approx(1 - error if right else error / 4)


def test_a_blind_client_is_right_by_chance():
    found = scored(Says(lambda request: "[2]"), record(active=600, silent=600), questions=600)
    assert found.value == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 600))


def test_the_odd_one_is_silent_and_the_others_are_of_one_quantile():
    for riddle in Intruder(OracleClient()).riddles(record(active=40, silent=40)):
        assert not riddle.odd.active.any() and len(riddle.windows) == 5
        others = [each for each in riddle.windows if each is not riddle.odd]
        assert len({each.quantile for each in others}) == 1 and all(each.active.any() for each in others)
        assert len({each.start for each in others}) == 4
        assert riddle.request.task.windows[riddle.request.task.truth] == riddle.odd.tokens


def test_the_odd_one_can_be_of_another_quantile():
    riddles = Intruder(OracleClient(), odd="quantile").riddles(record(active=40, silent=40))
    assert len(riddles) == 40
    for riddle in riddles:
        others = {each.quantile for each in riddle.windows if each is not riddle.odd}
        assert len(others) == 1 and riddle.odd.quantile not in others


def test_places_are_drawn_by_the_seed():
    def truths(seed):
        asked = Intruder(OracleClient(), seed=seed).requests(record(active=40, silent=40))
        return [each.task.truth for each in asked]

    assert truths(0) == truths(0) != truths(1)
    assert set(truths(0)) == set(range(5))


@pytest.mark.parametrize(
    ("of", "odd"),
    [
        (replace(record(), test=()), "silent"),
        (replace(record(), test=record().test[:3]), "silent"),
        (replace(record(), silent_test=()), "silent"),
        (record(quantiles=1), "quantile"),
        (record(active=10, quantiles=5), "quantile"),
    ],
)
def test_too_few_windows_are_a_typed_failure(of, odd):
    client = Says(lambda request: "[1]")
    found = scored(client, of, odd=odd)
    assert found.value is None and [each.kind for each in found.failures] == ["too_few_examples"]
    assert not client.asked


def test_small_quantiles_are_put_together():
    found = scored(OracleClient(reads="activity"), record(active=10, silent=7, quantiles=5))
    assert found.value == 1.0 and len(found.rows) == 7


def test_marks_are_shown_where_they_are_asked_for():
    windows = tuple(example_of([" a", " b"], [0, 1], start=2 * at, quantile=0) for at in range(4))
    odd = example_of([" c\n", " d"], [0, 0], start=8, kind="random")
    of = replace(record(), test=windows, silent_test=(odd,))
    (request,) = Intruder(OracleClient(), marked=True, n=4).requests(of)
    lines = [line[3:] for line in request.messages[1].content.splitlines()[:-1]]
    assert lines.count(" a <<b>>") == 3 and ({" <<c↵>> d", " c↵ <<d>>"} & {*lines})
    (plain,) = Intruder(OracleClient(), n=4).requests(of)
    assert " c↵ d" in plain.messages[1].content and plain.task.marks is None


def test_failures_are_counted():
    found = scored(FailsEveryThird(OracleClient(reads="activity")))
    assert found.value == 1.0 and len(found.rows) == 27
    assert [each.kind for each in found.failures] == ["unavailable"] * 13
    none = scored(Says(lambda request: "I cannot say"))
    assert none.value is None and [each.kind for each in none.failures] == ["unparsed"] * 40


def test_the_probability_is_of_the_truth():
    top = tuple((str(each), math.log(each / 15)) for each in (5, 4, 3, 2, 1))
    reply = Reply("[4]", logprobs=(TokenChoice("[", 0.0), TokenChoice("4", 0.0, top), TokenChoice("]", 0.0)))
    found = scored(Says(lambda request: reply))
    for row in found.rows:
        assert row["said"] == 4 and row["probability"] == pytest.approx(row["truth"] / 15)


def test_settings_are_checked_and_in_the_fingerprint():
    made = [
        Intruder(OracleClient(), **each) for each in ({}, {"n": 4}, {"odd": "quantile"}, {"marked": True})
    ]
    assert len({each.fingerprint() for each in made}) == 4
    with pytest.raises(InputError, match="3 to 9"):
        Intruder(OracleClient(), n=2)
    with pytest.raises(InputError, match="silent, quantile"):
        Intruder(OracleClient(), odd="even")
