"""Fuzzing: in which of a few windows are the right tokens marked? Knows the prompt's two files.

The wrong marks, which every example gets freshly drawn: in silent windows as many random tokens as windows
have active ones on average; or ("active") in the active windows themselves, as many tokens that are silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool

from saesteer.errors import InputError
from saesteer.examples import Example, Explanation, Failure, LatentRecord, Score, marked
from saesteer.examples.luck import digest_luck
from saesteer.llms import Client, Request
from saesteer.llms.lines import one_line
from saesteer.scorers.asking import fingerprint_of, judged, text_or_failure, without_answers
from saesteer.scorers.marks import mean_count, random_marks, true_marks
from saesteer.scorers.tasks import FuzzingTask
from saesteer.scorers.templates import conversation, numbered, prompts_hash
from saesteer.scorers.yes_no import TOP, Batch, Question, score_batches, shared_out

Negatives = Literal["silent", "active"]


@dataclass(frozen=True, eq=False)
class Fuzzing:
    """Test windows with right and with wrong marks, shuffled, `n_shown` to a request."""

    client: Client
    negatives: Negatives = "silent"
    n_shown: int = 5
    threshold: float = 0.0
    """Marked is what is more active than this share of its window's largest activation."""
    seed: int = 0
    logprobs: bool = True
    max_tokens: int = 200
    name: str = ""
    """"fuzzing", or "fuzzing_active" with negatives of that kind, unless another is given."""

    headline = "balanced_accuracy"
    needs_explanation = True

    def __post_init__(self) -> None:
        if self.negatives not in get_args(Negatives):
            raise InputError(f"negatives are one of {', '.join(get_args(Negatives))}, got {self.negatives!r}")
        if self.n_shown < 1 or not 0 <= self.threshold < 1:
            given = f"n_shown={self.n_shown}, threshold={self.threshold}"
            raise InputError(f"n_shown is at least 1 and threshold a share under 1, got {given}")
        plain = "fuzzing" if self.negatives == "silent" else f"fuzzing_{self.negatives}"
        object.__setattr__(self, "name", self.name or plain)

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """Balanced accuracy first; rows are windows."""
        text = text_or_failure(explanation)
        if isinstance(text, Failure):
            return judged(without_answers(self.name, record, None, text), explanation)
        asked = self.batches(record, text)
        found = await score_batches(self.name, self.headline, self.client, record, text, asked)
        return judged(found, explanation)

    def requests(self, record: LatentRecord, explanation: str) -> list[Request]:
        """What would be asked."""
        return [each.request for each in self.batches(record, explanation)]

    def batches(self, record: LatentRecord, explanation: str) -> list[Batch]:
        """The same with the questions of each request."""
        right = [_question(each, true_marks(each, self.threshold), True) for each in record.test]
        parts = shared_out(
            [*right, *self._wrong(record)],
            self.n_shown,
            digest_luck(self.seed, self.negatives, str(record.id)),
        )
        return [Batch(self._request(explanation, part), tuple(part)) for part in parts]

    def fingerprint(self) -> str:
        names = ("name", "negatives", "n_shown", "threshold", "seed", "logprobs", "max_tokens")
        made = {"prompts": prompts_hash("fuzzing"), "client": self.client.fingerprint()}
        return fingerprint_of("fuzzing", {each: getattr(self, each) for each in names} | made)

    def _wrong(self, record: LatentRecord) -> Iterator[Question]:
        """Marks that are wrong; an active window without a silent token has none."""
        count = mean_count(record.test, self.threshold)
        for each in record.silent_test if self.negatives == "silent" else record.test:
            dice = digest_luck(self.seed, str(record.id), each.row, each.start)
            right = true_marks(each, self.threshold)
            number = count if self.negatives == "silent" else int(right.sum())
            marks = random_marks(each, number, dice, each.active)
            if marks.any():
                yield _question(each, marks, False)

    def _request(self, explanation: str, part: list[Question]) -> Request:
        task = FuzzingTask(
            explanation,
            tuple(each.example.tokens for each in part),
            tuple(each.marks for each in part if each.marks is not None),
            tuple(each.truth for each in part),
        )
        texts = numbered([each.shown for each in part])
        messages = conversation("fuzzing", explanation=one_line(explanation), texts=texts)
        return Request(messages, self.max_tokens, top_logprobs=TOP if self.logprobs else 0, task=task)


def _question(example: Example, marks: Bool[np.ndarray, " n"], truth: bool) -> Question:
    flags = tuple(marks.tolist())
    return Question(example, marked(example.tokens, flags), truth, flags)
