"""A language model that compares: which of two texts has more of one criterion, A, B or tie?

Each pair is asked in both orders. The text that wins both wins; where the orders disagree the pair is a tie,
and counts towards the judge's position bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from saesteer.errors import SaesteerError
from saesteer.judges.answer_form import REASON, Form, Unparsed
from saesteer.judges.asking import UNPARSED, Asker
from saesteer.judges.criteria import BUILT_IN, Criterion, criteria_of
from saesteer.judges.judge import JudgeRequest
from saesteer.judges.tasks import PairTask
from saesteer.judges.templates import conversation, fenced, prompts_hash
from saesteer.llms import Client, Reply, Request
from saesteer.llms.options import switch, whole
from saesteer.runs import digest
from saesteer.statistics import Interval, bootstrap_mean

Said = Literal["A", "B", "tie"]
Pair = tuple[JudgeRequest, JudgeRequest]
ANSWERS: Final = ("A", "B", "tie")
REVISION: Final = 1
_PROMPTS: Final = ("pair.system", "pair.user", "free", *BUILT_IN)
_SWAPPED: Final = {"A": "B", "B": "A", "tie": "tie"}


@dataclass(frozen=True)
class Comparison:
    """What is said of one pair; a comparison of which an order failed has `error` and no winner."""

    first: Said | None
    """Of the pair as it was given: A is its first text."""
    second: Said | None
    """Of the other order, turned back: A is the pair's first text here too."""
    error: str | None = None

    @property
    def winner(self) -> Said | None:
        """A or B where both orders say so, else tie; None where the comparison failed."""
        if self.error is not None:
            return None
        return self.first if self.first == self.second else "tie"

    @property
    def points(self) -> float | None:
        """Of the pair's first text: 1, 0, or a half for a tie."""
        return None if self.winner is None else {"A": 1.0, "B": 0.0, "tie": 0.5}[self.winner]

    @property
    def leans(self) -> float | None:
        """1 where both orders are for the text that was shown first, -1 for the second, between for ties."""
        if self.error is not None or self.first is None or self.second is None:
            return None
        place = {"A": 1.0, "B": -1.0, "tie": 0.0}
        return (place[self.first] + place[_SWAPPED[self.second]]) / 2


class PairwiseJudge:
    """Asks `client` about pairs; `criterion` as `criteria_of` takes one."""

    def __init__(
        self,
        client: str | Mapping[str, Any] | Client,
        criterion: str | Mapping[str, Any] | Criterion = "behaviour",
        cache: str | Path | None = None,
        reason: bool = False,
        schema: bool = True,
        max_tokens: int = 200,
        concurrency: int = 16,
    ) -> None:
        self._asker = Asker(client, cache, concurrency)
        (self.criterion,) = criteria_of([criterion])
        self._form = Form({"answer": ANSWERS}, switch("reason", reason))
        self._schema = self._form.schema() if switch("schema", schema) else ""
        self._max_tokens = whole("max_tokens", max_tokens, 1)
        self.name = f"pairs ({self._asker.client.name})"

    def fingerprint(self) -> str:
        """Of client, criterion, prompts and how they are asked."""
        asked = [self._form.reason, self._schema, self._max_tokens, prompts_hash(_PROMPTS)]
        made = {"judge": "pairs", "revision": REVISION, "client": self._asker.client.fingerprint()}
        return digest(made | {"criterion": [self.criterion.name, self.criterion.sentence], "asked": asked})

    @property
    def spent(self) -> dict[str, Any]:
        """Requests, tokens, cost and failures by kind, of all calls so far."""
        return self._asker.spent

    def close(self) -> None:
        """Close the client, where it was made here from a line; one that was handed over is its owner's."""
        self._asker.close()

    def compare(self, pairs: Sequence[Pair]) -> list[Comparison]:
        """All pairs in both orders at once."""
        orders = [order for one, other in pairs for order in ((one, other), (other, one))]
        requests = [self._request(*each) for each in orders]
        answers = [self._read(*each) for each in zip(requests, self._asker(requests), strict=True)]
        return [_compared(*answers[place : place + 2]) for place in range(0, len(answers), 2)]

    def _request(self, one: JudgeRequest, other: JudgeRequest) -> Request:
        messages = conversation(
            "pair",
            question=self.criterion.question(one),
            before_a=fenced(one.prompt),
            text_a=fenced(one.text),
            before_b=fenced(other.prompt),
            text_b=fenced(other.text),
            form=self._form.shown(),
        )
        task = PairTask(self.criterion.name, one, other, self._form.reason)
        return Request(messages, self._max_tokens, json=True, schema=self._schema, task=task)

    def _read(self, request: Request, reply: Reply | Exception) -> tuple[Said | None, str | None]:
        if not isinstance(reply, Reply):
            return None, f"{getattr(reply, 'kind', 'client')}: {reply}"
        try:
            found = self._form.read(reply)
        except Unparsed as error:
            self._asker.misparsed(request)
            return None, f"{UNPARSED}: {error}"
        found.pop(REASON, None)
        return found["answer"], None


def position_bias(comparisons: Sequence[Comparison], groups: Sequence[Any], seed: int = 0) -> Interval:
    """How far answers lean to the text that is shown first: 0 none, 1 always the first, -1 the second.

    The interval is over `groups`, one per comparison (prompts). SaesteerError where every comparison failed.
    """
    known = [
        (each.leans, group) for each, group in zip(comparisons, groups, strict=True) if each.leans is not None
    ]
    if not known:
        raise SaesteerError(f"all {len(comparisons)} comparisons failed; mend the judge and rerun")
    names = {group: number for number, group in enumerate(dict.fromkeys(group for _, group in known))}
    values = np.array([value for value, _ in known])
    return bootstrap_mean(values, np.array([names[group] for _, group in known]), seed=seed)


def _compared(first: tuple[Said | None, str | None], second: tuple[Said | None, str | None]) -> Comparison:
    if (error := first[1] or second[1]) is not None or first[0] is None or second[0] is None:
        return Comparison(None, None, error or "no answer")
    turned: Any = _SWAPPED[second[0]]
    return Comparison(first[0], turned)
