"""A language model as judge: 1 to 10 per criterion, rescaled to (score - 1) / 9. Knows its prompts' files.

The scale is that of the SAE-TS reference. An answer that is not of the form asked for is a failure and no
figure; a text of which one criterion failed is no data at all, since its figures belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.judges.answer_form import REASON, Form, Unparsed
from saesteer.judges.asking import UNPARSED, Asker
from saesteer.judges.criteria import BUILT_IN, Criterion, criteria_of
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.judges.tasks import RatingTask
from saesteer.judges.templates import conversation, fenced, prompts_hash
from saesteer.llms import Client, ClientError, Reply, Request
from saesteer.llms.options import switch, whole
from saesteer.runs import digest

SCORES: Final = tuple(range(1, 11))
REVISION: Final = 1
"""Raised when the same answers are read otherwise."""
_PROMPTS: Final = ("rating.system", "rating.user", "free", *BUILT_IN)


@dataclass(frozen=True)
class _Question:
    """What is asked in one request about one text."""

    text: int
    """Number of the judge's request."""
    names: tuple[str, ...]
    form: Form


class LLMJudge:
    """Asks `client` about every criterion; `client` is a line or mapping as `client_from` takes it."""

    def __init__(
        self,
        client: str | Mapping[str, Any] | Client,
        criteria: Sequence[str | Mapping[str, Any] | Criterion] = ("behaviour", "coherence"),
        cache: str | Path | None = None,
        apart: bool = True,
        reason: bool = False,
        schema: bool = True,
        max_tokens: int = 200,
        concurrency: int = 16,
    ) -> None:
        """`criteria`: see `criteria_of`. `cache`: a folder that keeps answers, so that a killed call goes on
        where it stood. `apart`: one request per criterion, as published, in place of one for all, which is
        cheaper and lets one score colour the next. `reason`: ask for a sentence first. `schema`: send the
        form as a JSON schema; false for servers that know only plain JSON.
        """
        self._asker = Asker(client, cache, concurrency)
        self.criteria = criteria_of(criteria)
        self.name = f"llm ({self._asker.client.name})"
        self._apart, self._reason = switch("apart", apart), switch("reason", reason)
        self._schema, self._max_tokens = switch("schema", schema), whole("max_tokens", max_tokens, 1)

    def fingerprint(self) -> str:
        """Of client, criteria, prompts and how they are asked."""
        return digest(
            {
                "judge": "llm",
                "revision": REVISION,
                "client": self._asker.client.fingerprint(),
                "criteria": [[each.name, each.sentence] for each in self.criteria],
                "prompts": prompts_hash(_PROMPTS),
                "asked": [self._apart, self._reason, self._schema, self._max_tokens],
            }
        )

    @property
    def client(self) -> Client:
        """Who is asked."""
        return self._asker.client

    @property
    def spent(self) -> dict[str, Any]:
        """Requests, tokens, cost and failures by kind, of all calls so far."""
        return self._asker.spent

    def close(self) -> None:
        """Close the client, where it was made here from a line; one that was handed over is its owner's."""
        self._asker.close()

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        """All questions about all texts are asked at once, equal ones once."""
        asked = [
            (_Question(number, tuple(each.name for each in group), form), self._request(request, group, form))
            for group, form in self._groups()
            for number, request in enumerate(requests)
        ]
        replies = self._asker([request for _, request in asked])
        said: list[dict[str, Any]] = [{} for _ in requests]
        failed: list[dict[str, str]] = [{} for _ in requests]
        for (question, request), reply in zip(asked, replies, strict=True):
            self._read(question, request, reply, said[question.text], failed[question.text])
        return [_judgement(*each) for each in zip(said, failed, strict=True)]

    def requests(self, request: JudgeRequest) -> list[Request]:
        """What would be asked about one text."""
        return [self._request(request, group, form) for group, form in self._groups()]

    def _groups(self) -> list[tuple[tuple[Criterion, ...], Form]]:
        """The criteria of each request, and the form of its answer."""
        groups = [(each,) for each in self.criteria] if self._apart else [self.criteria]
        return [(group, Form({each.name: SCORES for each in group}, self._reason)) for group in groups]

    def _request(self, request: JudgeRequest, group: tuple[Criterion, ...], form: Form) -> Request:
        messages = conversation(
            "rating",
            questions="\n".join(f"{each.name}: {each.question(request)}" for each in group),
            before=fenced(request.prompt),
            text=fenced(request.text),
            form=form.shown(),
        )
        task = RatingTask(tuple(each.name for each in group), request, self._reason)
        schema = form.schema() if self._schema else ""
        return Request(messages, self._max_tokens, json=True, schema=schema, task=task)

    def _read(
        self,
        question: _Question,
        request: Request,
        reply: Reply | ClientError,
        said: dict[str, Any],
        failed: dict[str, str],
    ) -> None:
        if isinstance(reply, ClientError):
            failed |= {name: f"{reply.kind}: {reply}" for name in question.names}
            return
        try:
            found = question.form.read(reply)
        except Unparsed as error:
            self._asker.misparsed(request)
            failed |= {name: f"{UNPARSED}: {error}" for name in question.names}
            return
        reason = found.pop(REASON, None)
        said.setdefault("scores", {}).update(found)
        if reason is not None:
            said.setdefault("reasons", {}).update(dict.fromkeys(question.names, reason))


def _judgement(said: dict[str, Any], failed: dict[str, str]) -> Judgement:
    if failed:
        name, why = next(iter(failed.items()))
        return Judgement.failed(f"{name}: {why}", said | {"failed": failed})
    figures = {name: (score - 1) / 9 for name, score in said["scores"].items()}
    behaviour, coherence = figures.pop("behaviour", None), figures.pop("coherence", None)
    return Judgement(behaviour, coherence, detail=said, others=figures)
