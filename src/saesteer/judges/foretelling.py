"""What judging a text would ask of clients, counted before anything is asked. Knows judges that ask.

Tokens are the characters over four, the usual rule of thumb for English; an answer is taken to be as long as
its form, which is short. Equal questions are asked once and answers may be kept: these are upper ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from saesteer.judges.by_concept import JudgeByConcept
from saesteer.judges.combined import CombinedJudge
from saesteer.judges.guard import GuardJudge
from saesteer.judges.judge import Judge, JudgeRequest, SpendingJudge
from saesteer.judges.llm import LLMJudge
from saesteer.llms import Request

PER_TOKEN: Final = 4
"""Characters."""
ANSWER: Final = 16
"""Tokens of an answer: a JSON object with a number, or a word."""
_MILLION: Final = 1e6


@dataclass(frozen=True)
class Asked:
    """What some judging asks; sums of such things are such things."""

    requests: int = 0
    tokens: int = 0
    """Of questions and answers."""
    money: float | None = None
    """In the currency of the client's prices; None where it has none."""

    def __add__(self, other: Asked) -> Asked:
        known = [each for each in (self.money, other.money) if each is not None]
        return Asked(
            self.requests + other.requests, self.tokens + other.tokens, sum(known) if known else None
        )

    def times(self, number: int) -> Asked:
        """The same so many times."""
        money = None if self.money is None else self.money * number
        return Asked(self.requests * number, self.tokens * number, money)


def foretold(judge: Judge, request: JudgeRequest) -> Asked:
    """What `judge` would ask about one text; one that spends without saying what counts as one request."""
    found = Asked()
    for each in _askers(judge, request):
        if isinstance(each, LLMJudge):
            for one in each.requests(request):
                found += _of(one, each.client)
        elif isinstance(each, GuardJudge):
            found += _of(each.request(request), each.client)
        elif isinstance(each, SpendingJudge):
            found += Asked(requests=1)
    return found


def spent(judge: Judge) -> Asked:
    """What all calls so far have cost; answers from the disk cost nothing."""
    return _sum(judge.spent) if isinstance(judge, SpendingJudge) else Asked()


def _askers(judge: Judge, request: JudgeRequest) -> Iterator[Judge]:
    if isinstance(judge, JudgeByConcept):
        yield from _askers(judge.of(request.concept), request)
    elif isinstance(judge, CombinedJudge):
        for each in judge.parts:
            yield from _askers(each, request)
    else:
        yield judge


def _of(request: Request, client: Any) -> Asked:
    question = sum(len(each.content) for each in request.messages) // PER_TOKEN
    answer = min(ANSWER, request.max_tokens)
    prices = getattr(client, "prices", None)
    money = None if prices is None else (question * prices[0] + answer * prices[1]) / _MILLION
    return Asked(1, question + answer, money)


def _sum(told: Any) -> Asked:
    """Of a tally, or of tallies by name, as judges of several parts have them."""
    if not isinstance(told, dict):
        return Asked()
    if "requests" not in told:
        found = Asked()
        for each in told.values():
            found += _sum(each)
        return found
    tokens = int(told.get("prompt_tokens") or 0) + int(told.get("completion_tokens") or 0)
    return Asked(int(told["requests"]) - int(told.get("cached") or 0), tokens, told.get("cost"))
