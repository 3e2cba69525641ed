"""Detection: which of a few plain windows hold what the explanation names? Knows the prompt's two files."""

from __future__ import annotations

from dataclasses import dataclass

from saesteer.errors import InputError
from saesteer.examples import Explanation, Failure, LatentRecord, Score
from saesteer.examples.luck import digest_luck
from saesteer.llms import Client, Request
from saesteer.llms.lines import one_line
from saesteer.scorers.asking import fingerprint_of, judged, text_or_failure, without_answers
from saesteer.scorers.tasks import DetectionTask
from saesteer.scorers.templates import conversation, numbered, prompts_hash
from saesteer.scorers.yes_no import TOP, Batch, Question, score_batches, shared_out


@dataclass(frozen=True, eq=False)
class Detection:
    """Test windows, active and silent ones shuffled, `n_shown` to a request."""

    client: Client
    n_shown: int = 5
    seed: int = 0
    logprobs: bool = True
    """Ask for log-probabilities, from which each answer gets a probability where the client gives them."""
    max_tokens: int = 200

    name = "detection"
    headline = "balanced_accuracy"
    needs_explanation = True

    def __post_init__(self) -> None:
        if self.n_shown < 1:
            raise InputError(f"n_shown is a number of windows, at least 1, got {self.n_shown}")

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
        questions = [Question(each, each.text, True) for each in record.test]
        questions += [Question(each, each.text, False) for each in record.silent_test]
        parts = shared_out(questions, self.n_shown, digest_luck(self.seed, self.name, str(record.id)))
        return [Batch(self._request(explanation, part), tuple(part)) for part in parts]

    def fingerprint(self) -> str:
        settings = {"n_shown": self.n_shown, "seed": self.seed, "logprobs": self.logprobs}
        settings |= {"max_tokens": self.max_tokens}
        made = {"prompts": prompts_hash(self.name), "client": self.client.fingerprint()}
        return fingerprint_of(self.name, settings | made)

    def _request(self, explanation: str, part: list[Question]) -> Request:
        task = DetectionTask(
            explanation, tuple(each.example.tokens for each in part), tuple(each.truth for each in part)
        )
        texts = numbered([each.shown for each in part])
        messages = conversation(self.name, explanation=one_line(explanation), texts=texts)
        return Request(messages, self.max_tokens, top_logprobs=TOP if self.logprobs else 0, task=task)
