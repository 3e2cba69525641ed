"""Simulation: what is read of lines and of JSON, expected levels, and known answers of the oracle."""

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.examples import Failure
from saesteer.llms import Reply, TokenChoice
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.levels import parse_json, parse_lines
from saesteer.scorers.simulation import Simulation, pearson
from saesteer.world.oracle_client import OracleClient
from tests.scorers.records import FailsEveryThird, Says, example_of, record, said


def scored(client, of=None, **options):
    return asyncio.run(Simulation(client, **options).score(of or record(), said()))


def test_it_is_in_the_table():
    assert SCORERS.get("simulation") is Simulation
    assert isinstance(Simulation(OracleClient()), Scorer)


@pytest.mark.parametrize(
    "text",
    [
        "1: 0\n2: 10\n3: 4",
        "1:0\r\n2:10\r\n3:4\r\n",
        "Here are the levels.\n\n 1 : 0\n2: 10\n\n3: 4.\n",
        "```\n1: 0\n2: 10\n3: 4\n```",
    ],
)
def test_good_lines(text):
    assert parse_lines(Reply(text), 3) == (0.0, 10.0, 4.0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unparsed"),
        ("0 10 4", "unparsed"),
        ("1: 0, 2: 10, 3: 4", "unparsed"),
        ("1: none\n2: some\n3: much", "unparsed"),
        ("1: 0\n2: 11\n3: 4", "unparsed"),
        ("1: 0\n2: 10", "wrong_number"),
        ("1: 0\n2: 10\n3: 4\n4: 0", "wrong_number"),
        ("1: 0\n3: 4\n2: 10", "wrong_number"),
        ("1: 0\n2: 10\n2: 10\n3: 4", "wrong_number"),
    ],
)
def test_bad_lines(text, kind):
    found = parse_lines(Reply(text), 3)
    assert isinstance(found, Failure) and found.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        '{"levels": [0, 10, 4]}',
        '```json\n{"levels": [0, 10, 4.0]}\n```',
        'Sure: {"note": "hm", "levels": [0, 10, 4]} as asked',
    ],
)
def test_good_json(text):
    assert parse_json(Reply(text), 3) == (0.0, 10.0, 4.0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unparsed"),
        ("}{", "unparsed"),
        ("[0, 10, 4]", "unparsed"),
        ('{"levels": "0 10 4"}', "unparsed"),
        ('{"levels": [0, 10, true]}', "unparsed"),
        ('{"levels": [0, 10, "4"]}', "unparsed"),
        ('{"levels": [0, 10, -1]}', "unparsed"),
        ('{"levels": [0, 10, NaN]}', "unparsed"),
        ('{"levels": [0, 10, 1e999]}', "unparsed"),
        ('{"levels": [0, 10, 4]', "unparsed"),
        ("{" * 5000 + "}" * 5000, "unparsed"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "unparsed"),
        ('{"levels": [0, 10]}', "wrong_number"),
        ('{"levels": []}', "wrong_number"),
    ],
)
def test_bad_json(text, kind):
    found = parse_json(Reply(text), 3)
    assert isinstance(found, Failure) and found.kind == kind


@given(st.text(), st.integers(1, 5))
def test_any_text_is_levels_or_a_failure(text, tokens):
    for parse in (parse_lines, parse_json):
        found = parse(Reply(text), tokens)
        assert isinstance(found, Failure) or (len(found) == tokens and all(0 <= each <= 10 for each in found))


_values = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists)


@given(_values)
def test_any_json_is_levels_or_a_failure(value):
    found = parse_json(Reply(json.dumps({"levels": value})), 2)
    assert isinstance(found, Failure) or all(0 <= each <= 10 for each in found)


@given(st.lists(st.integers(0, 10), min_size=1, max_size=40))
def test_what_was_said_is_read_back(levels):
    lines = "\n".join(f"{number}: {level}" for number, level in enumerate(levels, 1))
    assert parse_lines(Reply(lines), len(levels)) == tuple(levels)
    assert parse_json(Reply(json.dumps({"levels": levels})), len(levels)) == tuple(levels)


def choice(token, **top):
    found = tuple((name.lstrip("_"), math.log(p)) for name, p in top.items())
    return TokenChoice(token, found[0][1] if found else 0.0, found)


def test_levels_are_expected_values_of_their_digits():
    tokens = (choice("1"), choice(": "), choice("3", _3=0.5, _0=0.25, _10=0.25), choice("\n"))
    tokens += (
        choice("2"),
        choice(":"),
        TokenChoice(" 0", 0.0, ((" 0", math.log(0.9)), ("x", math.log(0.1)))),
    )
    assert parse_lines(Reply("1: 3\n2: 0", logprobs=tokens), 2) == pytest.approx((4.0, 0.0))


@pytest.mark.parametrize("written", ["1", "10"])
def test_a_ten_in_two_tokens_is_told_from_a_one(written):
    """P(1...) = 0.8, and behind a 1 comes a 0 with 0.25: so 1 has 0.6, 10 has 0.2, and 5 has 0.2."""
    first = choice("1", _1=0.8, _5=0.2)
    zero, end = ("0", math.log(0.25)), ("\n", math.log(0.75))
    second = (
        TokenChoice("0", *zero[1:], (end, zero))
        if written == "10"
        else TokenChoice("\n", end[1], (end, zero))
    )
    tokens = (choice("1"), choice(": "), first, second)
    found = parse_lines(Reply(f"1: {written}", logprobs=tokens), 1)
    assert found == pytest.approx((0.6 * 1 + 0.2 * 10 + 0.2 * 5,))


def test_levels_are_as_said_where_the_tokens_do_not_tell():
    whole = (TokenChoice("1: 7", 0.0, (("1: 7", 0.0),)),)
    assert parse_lines(Reply("1: 7", logprobs=whole), 1) == (7.0,)
    odd = (choice("1"), choice(": "), choice("7", x=0.9, y=0.1))
    assert parse_lines(Reply("1: 7", logprobs=odd), 1) == (7.0,)


@pytest.mark.parametrize("form", ["lines", "json"])
def test_the_truth_correlates_fully(form):
    found = scored(OracleClient(reads="activity"), form=form)
    assert found.value == pytest.approx(1.0) and not found.failures and len(found.rows) == 40
    assert found.scorer == ("simulation" if form == "lines" else "simulation_json")
    assert 0.97 < found.figures["correlation_with_activations"] < 1.0
    assert found.figures["correlation_per_window"] == pytest.approx(1.0)
    assert all(found.figures[f"correlation_quantile_{each}"] == pytest.approx(1.0) for each in range(5))
    assert {row["correlation"] is None for row in found.rows if row["kind"] != "active"} == {True}


@pytest.mark.parametrize("form", ["lines", "json"])
@pytest.mark.parametrize("error", [0.2, 0.5])
def test_the_error_of_the_client_is_found_again(form, error):
    """Each level is another one, evenly, with probability `error`; the correlation follows from that."""
    many = record(active=400, silent=400)
    levels = np.concatenate([each.levels(many.max) for each in (*many.test, *many.silent_test)])
    of_said = np.full((11, 11), error / 10) + np.eye(11) * (1 - error - error / 10)
    share = np.bincount(levels, minlength=11) / len(levels)
    grid = np.arange(11)
    joint = share[:, None] * of_said
    means = (share @ grid, joint.sum(0) @ grid)
    covariance = grid @ joint @ grid - means[0] * means[1]
    spread = math.sqrt((share @ grid**2 - means[0] ** 2) * (joint.sum(0) @ grid**2 - means[1] ** 2))
    found = scored(OracleClient(error, reads="activity"), many, form=form)
    assert found.value == pytest.approx(covariance / spread, abs=0.05)
    assert covariance / spread < 0.9


def test_no_logprobs_are_needed():
    one = scored(OracleClient(0.3, reads="activity"))
    other = scored(OracleClient(0.3, reads="activity", logprobs=False))
    assert one.value == pytest.approx(other.value)  # the same mistakes; the mean is a line of what is said
    assert one.rows != other.rows


def test_a_constant_client_has_no_correlation():
    def zeros(request):
        return "\n".join(f"{number}: 0" for number in range(1, len(request.task.tokens) + 1))

    found = scored(Says(zeros))
    assert found.value is None and found.figures["correlation"] is None and len(found.rows) == 40


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=20))
def test_the_correlation_is_pearsons(pairs):
    one, other = map(np.array, zip(*pairs, strict=True))
    found = pearson(one, other)
    if found is None:
        assert len(set(one.tolist())) == 1 or len(set(other.tolist())) == 1
    elif min(one.std(), other.std()) > 1e-3:
        assert found == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-9)


def test_failures_are_counted():
    found = scored(FailsEveryThird(OracleClient(reads="activity")))
    assert len(found.rows) == 27 and [each.kind for each in found.failures] == ["unavailable"] * 13
    assert found.value == pytest.approx(1.0) and found.usage.requests == 40
    bad = scored(Says(lambda request: "1: 0"))
    assert bad.value is None and {each.kind for each in bad.failures} == {"wrong_number"}
    empty = scored(Says(lambda request: ""), replace(record(), test=(), silent_test=()))
    assert [each.kind for each in empty.failures] == ["too_few_examples"]
    none = asyncio.run(Simulation(Says(lambda request: "")).score(record(), said(None)))
    assert [each.kind for each in none.failures] == ["no_explanation"]


def test_a_prompt_can_be_read():
    of = replace(record(), test=(example_of([" a\n", '"b"', " "], [0, 1, 0]),), silent_test=())
    (request,) = Simulation(OracleClient()).requests(of, "b")
    assert request.messages[1].content == 'Description: b\n1: " a\\n"\n2: "\\"b\\""\n3: " "\nAnswer:'
    assert request.top_logprobs > 10 and not request.json and request.task.truth[::2] == (0, 0)
    (as_json,) = Simulation(OracleClient(), form="json").requests(of, "b")
    assert as_json.json and as_json.messages[1] == request.messages[1]


def test_settings_are_checked_and_in_the_fingerprint():
    made = [Simulation(OracleClient(), **each) for each in ({}, {"form": "json"}, {"logprobs": False})]
    assert len({each.fingerprint() for each in made}) == 3
    with pytest.raises(InputError, match="lines, json"):
        Simulation(OracleClient(), form="yaml")
