"""Requests of a judge to its client: equal ones asked once, what they cost and what failed counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from saesteer.errors import SaesteerError
from saesteer.llms import (
    NOTHING,
    CachedClient,
    Client,
    ClientError,
    Reply,
    Request,
    TimedOut,
    Unavailable,
    client_from,
    complete_all,
)
from saesteer.llms.blocking import finish
from saesteer.llms.options import whole

UNPARSED = "unparsed"
"""The kind of failure of an answer that says nothing; the other kinds are those of ClientError."""
FIRST: Final = 4
"""Requests at least that a server must leave without an answer before it counts as away."""


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
        self._unread: set[Request] = set()
        self._answered = False

    def __call__(self, requests: Sequence[Request]) -> list[Reply | ClientError]:
        """For each request its reply, or the error that came instead."""
        self._unread.clear()
        unique = list(dict.fromkeys(requests))
        found: list[Reply | ClientError] = []
        while left := unique[len(found) :]:
            self._check_reached(found)
            found += self._complete(left if self._answered else left[: max(FIRST, self._concurrency)])
        answers = dict(zip(unique, found, strict=True))
        return [answers[each] for each in requests]

    def misparsed(self, request: Request) -> None:
        """The answer to a request says nothing: it is counted, and not kept for the next time."""
        if request in self._unread:  # several texts may ask the same
            return
        self._unread.add(request)
        self._failures[UNPARSED] += 1
        if isinstance(self.client, CachedClient):
            self.client.forget(request)

    def _complete(self, requests: Sequence[Request]) -> list[Reply | ClientError]:
        """Different requests, counted."""
        found = finish(complete_all(self.client, requests, self._concurrency))
        for each in found:
            if isinstance(each, Reply):
                self._usage += each.usage
                self._answered = self._answered or not each.usage.cached
            else:
                self._failures[each.kind] += 1
        return found

    def _check_reached(self, found: Sequence[Reply | ClientError]) -> None:
        """SaesteerError where a server answered nobody at all: hours of asking again would not mend that."""
        asked = [each for each in found if not isinstance(each, Reply) or not each.usage.cached]
        if len(asked) >= FIRST and all(isinstance(each, Unavailable | TimedOut) for each in asked):
            raise SaesteerError(
                f"{self.client.name} answered none of the first {len(asked)} requests ({asked[0]}); "
                "start it or mend its address, and run again"
            )

    def close(self) -> None:
        """Close the client where it was made here, and leave one that was handed over."""
        if self._own:
            finish(self.client.close())

    @property
    def spent(self) -> dict[str, Any]:
        """Since this asker was made."""
        return {**asdict(self._usage), "failures": dict(sorted(self._failures.items()))}
