"""Questions with a yes or a no per window, several to a request: asked, read and scored.

Detection and fuzzing are this with different windows. Knows clients and rows; not where windows come from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from saesteer.examples import Example, Failure, LatentRecord, Score
from saesteer.llms import Client, Reply, Request
from saesteer.scorers.asking import ask, place_of, too_few, unparsed, without_answers
from saesteer.scorers.classification import classification
from saesteer.scorers.logprobs import Choices, share

TOP: Final = 5
"""Alternatives that are asked for at each token of an answer."""
_LIST = re.compile(r"\[\s*[01](?:\s*,\s*[01])*\s*,?\s*\]")
_ANSWER = re.compile(r"[01]")


@dataclass(frozen=True)
class Question:
    """One window as it is shown, and the right answer."""

    example: Example
    shown: str
    truth: bool
    marks: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Batch:
    """The questions of one request."""

    request: Request
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answer:
    """One of a reply."""

    said: bool
    probability: float | None
    """Of yes; None where the reply had no log-probabilities."""


def parse_answers(reply: Reply, expected: int) -> tuple[Answer, ...] | Failure:
    """The last list of zeros and ones of a reply, whatever stands around it."""
    found = list(_LIST.finditer(reply.text))
    if not found:
        return unparsed("no list of 0 and 1", reply)
    places = [match.start() for match in _ANSWER.finditer(reply.text, found[-1].start(), found[-1].end())]
    if len(places) != expected:
        return unparsed(f"{len(places)} answers to {expected} questions", reply, "wrong_number")
    choices = Choices.of(reply)
    return tuple(Answer(reply.text[place] == "1", _probability(choices, place)) for place in places)


def shared_out(questions: Sequence[Question], size: int, luck: np.random.Generator) -> list[list[Question]]:
    """Shuffled, `size` to a request; the last request may have fewer."""
    mixed = [questions[place] for place in luck.permutation(len(questions))]
    return [mixed[first : first + size] for first in range(0, len(mixed), size)]


async def score_batches(
    scorer: str, headline: str, client: Client, record: LatentRecord, text: str, batches: Sequence[Batch]
) -> Score:
    """All requests at once; one row per answer that was read, one failure per answer that was not."""
    if not batches:
        return without_answers(scorer, record, text, too_few("test windows", 0))
    replies, usage = await ask(client, [batch.request for batch in batches])
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    for batch, reply in zip(batches, replies, strict=True):
        found = reply if isinstance(reply, Failure) else parse_answers(reply, len(batch.questions))
        if isinstance(found, Failure):
            failures += [found] * len(batch.questions)
        else:
            rows += [_row(*pair) for pair in zip(batch.questions, found, strict=True)]
    figures = classification(rows)
    return Score(record.id, scorer, text, figures[headline], figures, tuple(rows), tuple(failures), usage)


def _row(question: Question, answer: Answer) -> dict[str, Any]:
    return place_of(question.example) | {
        "truth": question.truth,
        "said": answer.said,
        "probability": answer.probability,
    }


def _probability(choices: Choices | None, place: int) -> float | None:
    found = None if choices is None else choices.at(place, place + 1)
    return None if found is None else share(found, "1", ("0", "1"))
