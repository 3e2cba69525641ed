"""A client that knows the answer: the world's oracle behind the door of a language model, with a set error.

It answers the tasks of scorers in the text format that their prompts ask for, so that a scorer is tried end
to end, parsers and log-probabilities included. Knows tasks and the world; reads no prompt.

"activity": the answers are the truth of the task, what the latent did. "explanation": they are what a reader
who knows the world would say from the explanation and the text alone (`understanding`).

Each answer is wrong with probability `error`, independently and always alike for the same seed, explanation
and text, whatever else stands in the request. A yes or no comes from evidence x = d m + N(0, 1), where d is 1
for yes and -1 for no, and m such that the sign of x, which is what is said, is wrong with that probability.
The log-probabilities say that P(yes | x) is the sigmoid of 2 |m| x: up to an error of one half they are right
about themselves, and the area under their ROC curve is Phi(sqrt(2) m).

Judges are answered from what the grammar says of the text, whatever is read: a wrong score of 1 to 10, or a
wrong one of A, B and tie, is any of the others alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from scipy.special import expit, ndtri

from saesteer.errors import InputError
from saesteer.examples import LEVELS
from saesteer.judges import JudgeRequest
from saesteer.judges.tasks import GuardTask, PairTask, RatingTask
from saesteer.llms import ONE, Refused, Reply, Request, TokenChoice
from saesteer.runs import digest
from saesteer.scorers.tasks import DetectionTask, FuzzingTask, IntruderTask, SimulationTask
from saesteer.world.judge import OracleJudge, labels_of
from saesteer.world.understanding import intruder_among, levels_of, says, understood

Reads = Literal["activity", "explanation"]
REVISION: Final = 1  # raised when the same request is answered otherwise
_REASON: Final = "so the grammar reads it"
_LEAST: Final = 1e-12  # no log-probability is of 0

Written = Sequence[tuple[str, dict[str, float]]]
"""Tokens, each with the probabilities of what else it might have been (itself included)."""


class OracleClient:
    """Answers `Request.task`; Refused where there is none."""

    def __init__(
        self, error: float = 0.0, seed: int = 0, reads: Reads = "explanation", logprobs: bool = True
    ) -> None:
        if not 0 <= error <= 1:
            raise InputError(f"error is a probability, 0 to 1, got {error!r}")
        if reads not in get_args(Reads):
            raise InputError(f"the oracle reads one of {', '.join(get_args(Reads))}, got {reads!r}")
        self.error, self.seed, self.reads, self.logprobs = float(error), seed, reads, logprobs
        self.name = f"oracle({reads}, error {error:g})"

    async def complete(self, request: Request) -> Reply:
        """As the prompt asks for it; log-probabilities where they are asked for and given."""
        written = self._written(request.task)
        text = "".join(token for token, _ in written)
        given = self.logprobs and request.top_logprobs > 0
        choices = tuple(_choice(*each, request.top_logprobs) for each in written) if given else None
        return Reply(text, logprobs=choices, usage=ONE)

    def fingerprint(self) -> str:
        """Changes with the settings and with the world's lexicon."""
        settings = [REVISION, self.error, self.seed, self.reads, self.logprobs]
        return digest({"oracle": settings, "world": OracleJudge().fingerprint()})

    async def close(self) -> None:
        """Nothing is held."""

    def _written(self, task: object) -> Written:
        match task:
            case DetectionTask() | FuzzingTask():
                return _listed([self._yes_no(*each) for each in self._judged(task)])
            case IntruderTask():
                return self._intruder(task)
            case SimulationTask():
                return self._levels(task)
            case RatingTask():
                return self._ratings(task)
            case PairTask():
                return self._pair(task)
            case GuardTask():
                return self._guard(task)
        raise Refused(
            "the oracle answers detection, fuzzing, intruder, simulation, ratings, pairs and guard, "
            f"got {type(task).__name__}; ask another client"
        )

    def _judged(self, task: DetectionTask | FuzzingTask) -> Iterable[tuple[bool, list[object]]]:
        """Per window whether the answer is yes, and the content that its luck follows from."""
        marks = task.marks if isinstance(task, FuzzingTask) else (None,) * len(task.windows)
        meaning = understood(task.explanation) if self.reads == "explanation" else None
        for window, flags, truth in zip(task.windows, marks, task.truth, strict=True):
            yes = truth if meaning is None else says(meaning, window, flags)
            yield yes, [type(task).__name__, task.explanation, window, flags]

    def _yes_no(self, truth: bool, content: list[object]) -> tuple[bool, float]:
        """What is said, and the probability of yes that it is said with."""
        strength = -float(ndtri(self.error))
        noise = float(self._luck(content).standard_normal())
        evidence = (strength if truth else -strength) + noise
        return evidence > 0, float(expit(2 * abs(strength) * evidence))

    def _intruder(self, task: IntruderTask) -> Written:
        count = len(task.windows)
        right = task.truth if self.reads == "activity" else intruder_among(task.windows, task.marks)
        said = self._one_of(right, count, ["IntruderTask", task.windows, task.marks])
        return [("[", {}), (str(said + 1), self._around(said, count, 1)), ("]", {})]

    def _levels(self, task: SimulationTask) -> Written:
        right = task.truth
        if self.reads == "explanation":
            right = levels_of(understood(task.explanation), task.tokens)
        content = ["SimulationTask", task.explanation, task.tokens]
        said = [self._one_of(each, LEVELS + 1, [*content, at]) for at, each in enumerate(right)]
        if task.json:
            return [(json.dumps({"levels": said}), {})]
        return [
            piece
            for at, level in enumerate(said, 1)
            for piece in ((f"{at}: ", {}), (str(level), self._around(level, LEVELS + 1, 0)), ("\n", {}))
        ]

    def _ratings(self, task: RatingTask) -> Written:
        """The grammar's own figures as scores of 1 to 10, each with its own luck."""
        said: dict[str, Any] = {"reason": _REASON} if task.reason else {}
        for name in task.criteria:
            right = round(9 * figure_of(name, task.request))
            said[name] = 1 + self._one_of(right, 10, ["RatingTask", name, *_content(task.request)])
        return [(json.dumps(said), {})]

    def _pair(self, task: PairTask) -> Written:
        """A, B or tie; the luck is of the order too, so that an oracle that errs answers orders apart."""
        one, other = (figure_of(task.criterion, each) for each in (task.first, task.second))
        right = 2 if one == other else int(other > one)
        content = ["PairTask", task.criterion, *_content(task.first), *_content(task.second)]
        said: dict[str, Any] = {"reason": _REASON} if task.reason else {}
        return [(json.dumps(said | {"answer": ("A", "B", "tie")[self._one_of(right, 3, content)]}), {})]

    def _guard(self, task: GuardTask) -> Written:
        """Unsafe is what has an insult in it, however mild."""
        (judgement,) = OracleJudge().judge([task.request])
        grade = judgement.detail.get("grade", 0)
        said, yes = self._yes_no(grade > 0, ["GuardTask", *_content(task.request)])
        first = ("unsafe" if said else "safe", {"unsafe": yes, "safe": 1 - yes})
        return [first, ("\n" + task.categories[0], {})] if said else [first]

    def _one_of(self, right: int, count: int, content: list[object]) -> int:
        """The right one, or with probability `error` another."""
        luck = self._luck(content)
        if luck.random() >= self.error:
            return right
        other = int(luck.integers(count - 1))
        return other + (other >= right)

    def _around(self, said: int, count: int, first: int) -> dict[str, float]:
        """Probabilities of all answers after one was said; the first is written as `first`."""
        rest = self.error / (count - 1)
        return {str(first + each): 1 - self.error if each == said else rest for each in range(count)}

    def _luck(self, content: list[object]) -> np.random.Generator:
        return np.random.default_rng(int(digest([self.seed, *content])[:32], 16))


def figure_of(criterion: str, request: JudgeRequest) -> float:
    """What the grammar says of a text; Refused for what it cannot say."""
    (judgement,) = OracleJudge().judge([request])
    if criterion not in judgement.figures:
        raise Refused(f"the oracle judges behaviour and coherence, got {criterion}; ask another client")
    return judgement.figures[criterion]


def _content(request: JudgeRequest) -> list[object]:
    """What the luck of a judgement follows from."""
    return [request.text, request.prompt, list(labels_of(request.concept))]


def _listed(answers: Sequence[tuple[bool, float]]) -> Written:
    """[1, 0, 0]"""
    found: list[tuple[str, dict[str, float]]] = []
    for said, yes in answers:
        found += [(", " if found else "[", {}), ("1" if said else "0", {"1": yes, "0": 1 - yes})]
    return [*found, ("]", {})]


def _choice(token: str, probabilities: dict[str, float], count: int) -> TokenChoice:
    """The likeliest `count`; the token itself always among them."""
    given = probabilities or {token: 1.0}
    order = sorted(given, key=lambda each: (-given[each], each))[:count]
    if token not in order:
        order = [*order[:-1], token]
    top = tuple((each, math.log(max(given[each], _LEAST))) for each in order)
    return TokenChoice(token, math.log(max(given[token], _LEAST)), top)
