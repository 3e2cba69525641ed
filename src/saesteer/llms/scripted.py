"""A client that answers what it was told to: for tests, dry runs and worked examples. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.llms.client import (
    BadReply,
    ClientError,
    RateLimited,
    Refused,
    Reply,
    Request,
    TimedOut,
    Unavailable,
)
from saesteer.llms.records import reply_of, reply_record
from saesteer.runs import digest
from saesteer.text.tables import read_records

Answer = str | Reply | Exception
ERRORS: Final = {each.kind: each for each in (RateLimited, Unavailable, TimedOut, BadReply, Refused)}


@dataclass(frozen=True)
class Line:
    """One line of a script file."""

    answer: Answer
    when: str | None = None
    """A text that the request holds; such a line answers every request that does, as often as there are."""


class ScriptedClient:
    """Answers in the order in which it is asked, or by a function of the request; keeps what was asked."""

    def __init__(
        self, answers: Sequence[Answer] | Callable[[Request], Answer], name: str = "scripted"
    ) -> None:
        """An answer is a text, a Reply, or an exception, which is raised."""
        if isinstance(answers, str):
            raise InputError(f"answers is a list of answers, got the text {answers[:40]!r}; put it in a list")
        self.name = name
        self.requests: list[Request] = []
        """What was asked, in order."""
        self._answers = answers if callable(answers) else tuple(answers)
        self._left: Iterator[Answer] = iter(()) if callable(answers) else iter(tuple(answers))

    @classmethod
    def from_file(cls, path: str | Path) -> ScriptedClient:
        """The script in a .jsonl file, whose lines are {"text": ...} or {"error": KIND, "message": ...}.

        A line may also have "ended" and "logprobs" as a Reply has them, and "when": see `Line`. Lines without
        "when" are used up in order.
        """
        return cls(**cls.fields_of(str(path)))

    @staticmethod
    def fields_of(text: str) -> dict[str, Any]:
        """Options of the constructor from what a line says after `scripted:`."""
        lines = [_line(row.values, row.where) for row in read_records(text)]
        if not lines:
            raise InputError(f"the script {text} has no lines; write one for each answer")
        return {"answers": _Script(lines), "name": f"scripted by {Path(text).name}"}

    def __repr__(self) -> str:
        return f"ScriptedClient({self.name!r}, asked {len(self.requests)} times)"

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        answer = self._answers(request) if callable(self._answers) else next(self._left, None)
        if answer is None:
            raise Refused(f"{self.name} has no answer number {len(self.requests)}; write more")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)

    def fingerprint(self) -> str:
        """Of the answers; of a function, its name."""
        if isinstance(self._answers, _Script):
            said: Any = [[line.when, _record(line.answer)] for line in self._answers.lines]
        elif callable(self._answers):
            said = f"{getattr(self._answers, '__module__', '')}.{getattr(self._answers, '__qualname__', '')}"
        else:
            said = [_record(each) for each in self._answers]
        return digest({"client": "scripted", "answers": said})

    async def close(self) -> None:
        """Nothing is held."""


class _Script:
    """The lines of a file as a function of the request."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self._left = iter([line.answer for line in lines if line.when is None])

    def __call__(self, request: Request) -> Answer:
        text = "\n".join(each.content for each in request.messages)
        for line in self.lines:
            if line.when is not None and line.when in text:
                return line.answer
        return next(self._left, Refused("the script has no line for this request; write one"))


def _line(values: Mapping[str, Any], where: str) -> Line:
    when = values.get("when")
    if when is not None and not isinstance(when, str):
        raise InputError(f"{where}: 'when' is a text, got {when!r}")
    if unknown := set(values) - {"when", "text", "ended", "logprobs", "error", "message"}:
        raise InputError(
            f"{where}: unknown {', '.join(sorted(unknown))}; known: text, ended, logprobs, error"
        )
    if "error" in values:
        if values["error"] not in ERRORS:
            raise UnknownName.of("error", values["error"], ERRORS)
        return Line(ERRORS[values["error"]](str(values.get("message", "as the script says"))), when)
    try:
        return Line(reply_of(values), when)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _record(answer: Answer) -> Any:
    if isinstance(answer, Exception):
        kind = answer.kind if isinstance(answer, ClientError) else type(answer).__name__
        return {"error": kind, "message": str(answer)}
    return reply_record(answer if isinstance(answer, Reply) else Reply(answer))
