"""Answers kept on disk: the same request to a client that would answer alike is not asked again.

A file for each answer, named by the hash of (client's fingerprint, request without task); whole or not there
at all, so that processes may share a folder. No prompt and no key is written. Knows no client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError, SaesteerError
from saesteer.llms.client import Client, Message, Reply, Request, Usage, rendered
from saesteer.llms.records import reply_of, reply_record
from saesteer.llms.under_way import once
from saesteer.runs import digest, read_json, write_json
from saesteer.runs.writing import clear_errors

VERSION: Final = 1
"""Of the files; another version's are asked anew."""


class CachedClient:
    """Asks its client what the folder does not hold yet.

    What is sampled without a seed is luck and is asked each time. Failures are not kept. Of equal requests at
    the same time, also to another such client of this process, one asks and the others wait for it.
    """

    def __init__(self, client: Client, folder: str | Path) -> None:
        self._client = client
        self._folder = Path(folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise InputError(f"cache is a folder, got the file {folder}; give another")
        self.name = client.name

    def __repr__(self) -> str:
        return f"CachedClient({self._client!r}, {str(self._folder)!r})"

    @property
    def prices(self) -> tuple[float, float] | None:
        """The client's own, of a million tokens of questions and of answers; None where it has none."""
        found: tuple[float, float] | None = getattr(self._client, "prices", None)
        return found

    def rendered(self, messages: Sequence[Message]) -> str | None:
        """What the client's model reads of a conversation, as `rendered` of this room tells it."""
        return rendered(self._client, messages)

    def fingerprint(self) -> str:
        """The client's own: the cache changes no answer."""
        return self._asked

    async def close(self) -> None:
        await self._client.close()

    async def complete(self, request: Request) -> Reply:
        if request.temperature and request.seed is None:
            return await self._client.complete(request)
        path = self.path(request)
        found, asked = _read(path), False
        if found is None:
            found, asked = await once(path.absolute(), partial(self._ask, request, path))
        if asked:
            return found
        lacks = int(request.top_logprobs > 0 and found.logprobs is None)
        return replace(found, usage=Usage(1, cached=1, without_logprobs=lacks))

    def forget(self, request: Request) -> None:
        """Throw an answer away, so that the request is asked again the next time."""
        path = self.path(request)
        with clear_errors(path):
            path.unlink(missing_ok=True)

    async def _ask(self, request: Request, path: Path) -> Reply:
        reply = await self._client.complete(request)
        record = reply_record(reply)
        entry = {"version": VERSION, "reply": record, "sha256": digest(record)}
        await asyncio.to_thread(write_json, path, entry)
        return reply

    @cached_property
    def _asked(self) -> str:
        return self._client.fingerprint()

    def path(self, request: Request) -> Path:
        """Where the answer to a request is kept."""
        asked: dict[str, Any] = {
            "client": self._asked,
            "messages": [[each.role, each.content] for each in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": float(request.temperature),
            "top_logprobs": request.top_logprobs,
            "json": request.json,
            "seed": request.seed if request.temperature else None,  # greedy answers have no luck
        }
        if request.schema:  # left out where there is none, as it was before there were any
            asked["schema"] = request.schema
        key = digest(asked)
        return self._folder / key[:2] / f"{key}.json"


def _read(path: Path) -> Reply | None:
    """The reply in a file; None where there is none, or one that is damaged."""
    if not path.exists():
        return None
    try:
        entry = read_json(path)
        record = entry["reply"]
        if entry["version"] != VERSION or entry["sha256"] != digest(record):
            return None
        return reply_of(record)
    except (SaesteerError, ValueError, KeyError, TypeError):
        return None
