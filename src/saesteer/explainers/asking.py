"""What all explainers share that ask a language model: prompt, request, answer, failure.

Knows templates by their names, not what they say.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from saesteer.errors import InputError
from saesteer.examples import Explanation, Failure, LatentRecord
from saesteer.explainers.answers import MARKER, explanation_in, reasoning_in
from saesteer.explainers.templates import filled, source
from saesteer.explainers.windows import shown, strongest_first
from saesteer.explainers.worked import Worked, worked_examples
from saesteer.llms import Client, ClientError, Message, Reply, Request
from saesteer.runs import digest


@dataclass(frozen=True)
class ExplainTask:
    """What a request asks, typed, for clients that know the truth."""

    explainer: str
    record: LatentRecord


@dataclass(frozen=True)
class Asking(ABC):
    """An explainer with a client; the constant part of its prompt comes first, the same for all latents."""

    client: Client
    reasoning: bool = False
    """Whether it is to think in a few lines before it answers."""
    levels: bool = False
    """Whether marked words are listed with their activations from 1 to 10."""
    threshold: float = 0.3
    """Share of a window's largest activation above which a word is marked."""
    examples: int | None = None
    """Windows of each kind that are shown at most, spread over strong and weak ones; None: all."""
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int | None = None
    name: str = field(default="asking", init=False)
    template: ClassVar[str]
    """Of the system's part; that of the windows is `<template>_windows`."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise InputError(f"the threshold is a share from 0 to below 1, got {self.threshold}")
        if self.examples is not None and self.examples < 1:
            raise InputError(f"a prompt shows one example or more, got {self.examples}; None shows all")

    async def explain(self, record: LatentRecord) -> Explanation:
        """One request; a failure of the client, or "unparsed", or "too_few_examples" without any request."""
        missing = self.lacking(record)
        if missing:
            return Explanation(record.id, self.name, None, Failure("too_few_examples", missing))
        task = ExplainTask(self.name, record)
        messages = self.prompt(record)
        try:
            reply = await self.client.complete(
                Request(messages, self.max_tokens, self.temperature, seed=self.seed, task=task)
            )
        except ClientError as error:
            return Explanation(record.id, self.name, None, Failure(error.kind, str(error)), error.usage)
        return self._read(record, reply)

    def prompt(self, record: LatentRecord) -> tuple[Message, ...]:
        """What the language model is sent."""
        return (*self.constant(), Message("user", self.windows(record)))

    def constant(self) -> tuple[Message, ...]:
        """The part that is the same for all latents: what to do, and three worked examples."""
        turns = [Message("system", filled(self.template, **self._values()))]
        for each in worked_examples():
            turns.append(Message("user", self.windows(each.record)))
            turns.append(Message("assistant", self._answer(each)))
        return tuple(turns)

    def windows(self, record: LatentRecord) -> str:
        """The part that shows one latent."""
        active, silent = (
            [shown(each, record.max, self.threshold) for each in strongest_first(side, self.examples)]
            for side in (record.train, record.silent_train)
        )
        return filled(f"{self.template}_windows", active=active, silent=silent, **self._values())

    def lacking(self, record: LatentRecord) -> str | None:
        """Which examples there would have to be; None where there are enough."""
        return None if record.train else "there is no active window to show; read more texts"

    def fingerprint(self) -> str:
        """Of settings, prompt and client."""
        settings = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "client"}
        prompt = [*(each.content for each in self.constant()), source(f"{self.template}_windows")]
        return digest(settings | {"prompt": prompt, "client": self.client.fingerprint()})

    def _values(self) -> Mapping[str, Any]:
        return {"levels": self.levels, "reasoning": self.reasoning}

    def _answer(self, worked: Worked) -> str:
        line = f"{MARKER} {worked.explanation}"
        return f"{worked.reasoning}\n\n{line}" if self.reasoning else line

    def _read(self, record: LatentRecord, reply: Reply) -> Explanation:
        found = explanation_in(reply)
        details = {"reasoning": reasoning_in(reply.text)} if self.reasoning else {}
        text, failure = (None, found) if isinstance(found, Failure) else (found, None)
        return Explanation(record.id, self.name, text, failure, reply.usage, details)
