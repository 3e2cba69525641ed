"""Requests of a judge to its client: equal ones asked once, what they cost and what failed counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from saesteer.llms import (
    NOTHING,
    CachedClient,
    Client,
    ClientError,
    Reply,
    Request,
    client_from,
    complete_all,
)
from saesteer.llms.blocking import finish
from saesteer.llms.options import whole

UNPARSED = "unparsed"
"""The kind of failure of an answer that says nothing; the other kinds are those of ClientError."""


class Asker:
    """A client with a tally; `client` is a line or mapping as `client_from` takes it."""

    def __init__(
        self,
        client: str | Mapping[str, Any] | Client,
        cache: str | Path | None = None,
        concurrency: int = 16,
    ) -> None:
        """`cache`: a folder that keeps answers."""
        found = client_from(client)
        self.client = found if cache is None else CachedClient(found, cache)
        self._own, self._concurrency = found is not client, whole("concurrency", concurrency, 1)
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

    def close(self) -> None:
        """Close the client where it was made here, and leave one that was handed over."""
        if self._own:
            finish(self.client.close())

    @property
    def spent(self) -> dict[str, Any]:
        """Since this asker was made."""
        return {**asdict(self._usage), "failures": dict(sorted(self._failures.items()))}
