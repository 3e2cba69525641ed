"""What judging will ask, counted before: the same requests that the judge then sends."""

import pytest

from saesteer.judges import JudgeRequest, load_judge
from saesteer.judges.by_concept import JudgeByConcept
from saesteer.judges.foretelling import Asked, foretold, spent
from saesteer.text import Concept

CONCEPT = Concept("world/sea", "The sea.", ("a b", "c d"), ("e f", "g h"), labels=("sea",))
REQUEST = JudgeRequest(" the sea was wide.", "One day", CONCEPT)
PRICED = {"client": "openai:m@http://127.0.0.1:9/v1", "prices": [2.0, 10.0]}


def test_as_many_requests_are_foretold_as_are_sent():
    for judge in (
        load_judge("llm:oracle"),
        load_judge("llm[apart=false]:oracle"),
        load_judge("guard:oracle"),
    ):
        told = foretold(judge, REQUEST)
        assert spent(judge) == Asked()
        judge.judge([REQUEST])
        assert spent(judge).requests == told.requests > 0


def test_tokens_are_characters_over_four_and_money_is_by_the_prices():
    judge = load_judge("llm", client=PRICED)
    questions = [sum(len(each.content) for each in one.messages) // 4 for one in judge.requests(REQUEST)]
    found = foretold(judge, REQUEST)
    assert found.tokens == sum(questions) + 2 * 16
    assert found.money == pytest.approx((sum(questions) * 2.0 + 2 * 16 * 10.0) / 1e6)
    assert found.times(3) == Asked(6, 3 * found.tokens, 3 * found.money)


def test_prices_are_seen_through_a_cache(tmp_path):
    judge = load_judge("llm", client=PRICED, cache=str(tmp_path / "answers"))
    assert foretold(judge, REQUEST).money == foretold(load_judge("llm", client=PRICED), REQUEST).money


def test_parts_are_added_up_and_free_judges_ask_nothing():
    free = load_judge("regex:sea")
    assert foretold(free, REQUEST) == spent(free) == Asked()
    both = load_judge("combined[coherence=llm:oracle]:guard:oracle")
    assert foretold(both, REQUEST).requests == 3
    both.judge([REQUEST])
    assert spent(both).requests == 3
    of_one = JudgeByConcept({"world/sea": load_judge("llm:oracle")})
    assert foretold(of_one, REQUEST).requests == 2
    of_one.judge([REQUEST])
    assert spent(of_one).requests == 2
