"""Judges that were made from a line are closed by whoever made them; a client that was handed over is not."""

import json

import pytest

from saesteer.errors import InputError
from saesteer.evaluation import Arm, evaluate
from saesteer.judges import ClosingJudge, JudgeRequest, load_judge, open_judge
from saesteer.judges.guard import GuardJudge
from saesteer.judges.llm import LLMJudge
from saesteer.judges.pairwise import PairwiseJudge
from saesteer.llms import CLIENTS
from saesteer.llms.scripted import ScriptedClient
from saesteer.text import Concept
from tests.steering import tiny

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))
REQUEST = JudgeRequest("The ship sailed.", "Once there was", SEA)
closed = []


def answer(request):
    return json.dumps(dict.fromkeys(json.loads(request.schema)["required"], 10))


class Counted(ScriptedClient):
    """Says of itself when it is closed."""

    def __init__(self, number: int = 0) -> None:
        super().__init__(answer)
        self.number = number

    async def close(self) -> None:
        closed.append(self.number)


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setitem(CLIENTS._table, "counted", Counted)
    closed.clear()


@pytest.mark.parametrize("kind", [LLMJudge, GuardJudge, PairwiseJudge])
def test_a_client_of_its_own_is_closed_and_another_is_not(kind, tmp_path):
    kind(Counted(1)).close()
    kind(Counted(2), cache=tmp_path).close()
    assert closed == []
    kind("counted").close()
    kind({"client": "counted", "number": 3}, cache=tmp_path).close()
    assert closed == [0, 3]


def test_open_judge_closes_what_it_made():
    with open_judge("llm:counted") as judge:
        assert judge.judge([REQUEST])[0].behaviour == 1.0 and closed == []
    assert closed == [0]
    mine = load_judge("llm:counted")
    with open_judge(mine) as judge:
        assert judge is mine and isinstance(judge, ClosingJudge)
    assert closed == [0]
    with pytest.raises(InputError), open_judge("llm:counted"):
        raise InputError("in the block")
    assert closed == [0, 0]
    with open_judge("regex:ship") as judge:
        assert not isinstance(judge, ClosingJudge)


def test_parts_of_a_combined_judge_are_closed_with_it():
    mine = load_judge("llm:counted")
    load_judge("combined", behaviour={"judge": "llm", "client": "counted"}, coherence=mine).close()
    assert closed == [0]
    both = {"judge": "llm", "client": {"client": "counted", "number": 5}}
    load_judge("combined", behaviour=both, coherence=both).close()
    assert closed == [0, 5]


def test_a_sweep_closes_the_judge_of_a_line():
    arms = [Arm(SEA, "base")]
    for judge in ("llm:counted", load_judge("llm:counted")):
        result = evaluate(tiny.llama(), arms, ["the cat", "a dog"], 1, judge, max_new_tokens=2)
        assert {row.behaviour for row in result.rows} == {1.0}
    assert closed == [0]
