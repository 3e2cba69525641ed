"""Requests of a judge to its client: equal ones asked once, what they cost and what failed counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from saesteer.llms import NOTHING, Client, ClientError, Reply, Request, complete_all
from saesteer.llms.blocking import finish

UNPARSED = "unparsed"
"""The kind of failure of an answer that says nothing; the other kinds are those of ClientError."""


class Asker:
    """A client with a tally."""

    def __init__(self, client: Client, concurrency: int = 16) -> None:
        self.client, self._concurrency = client, concurrency
        self._usage = NOTHING
        self._failures: Counter[str] = Counter()

    def __call__(self, requests: Sequence[Request]) -> list[Reply | ClientError]:
        """For each request its reply, or the error that came instead."""
        unique = list(dict.fromkeys(requests))
        found = finish(complete_all(self.client, unique, self._concurrency))
        for each in found:
            if isinstance(each, Reply):
                self._usage += each.usage
            else:
                self._failures[each.kind] += 1
        answers = dict(zip(unique, found, strict=True))
        return [answers[each] for each in requests]

    def misparsed(self, number: int = 1) -> None:
        """So many answers said nothing."""
        self._failures[UNPARSED] += number

    @property
    def spent(self) -> dict[str, Any]:
        """Since this asker was made."""
        return {**asdict(self._usage), "failures": dict(sorted(self._failures.items()))}
