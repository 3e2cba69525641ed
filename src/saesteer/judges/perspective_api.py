"""The Perspective API as a client: a text goes in, its attributes' scores come back as JSON.

A `Client` like any other, so that the cache on disk, the counting and the many requests at once are those of
language models. Rides on httpx (extra `perspective`). The key comes from the environment alone
and goes to one host, in a header and in no address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from saesteer.errors import InputError, MissingExtra
from saesteer.llms import BadReply, RateLimited, Refused, Reply, Request, TimedOut, Unavailable, Usage
from saesteer.llms.endpoint import Endpoint, endpoint
from saesteer.llms.openai_reply import error_message, parse_body
from saesteer.llms.options import number
from saesteer.llms.retries import SYSTEM, Clock, Failure, Patience, asked_wait
from saesteer.runs import digest

ADDRESS: Final = "https://commentanalyzer.googleapis.com"
KEY: Final = "PERSPECTIVE_API_KEY"
_PATH: Final = "/v1alpha1/comments:analyze"
LONGEST: Final = 20_480
"""Bytes of a text; the service refuses more."""


@dataclass(frozen=True)
class _Session:
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    http: Any
    turn: asyncio.Lock


class PerspectiveClient:
    """Asks for `attributes` of the last message of a request."""

    def __init__(
        self,
        attributes: Sequence[str] = ("TOXICITY",),
        languages: Sequence[str] = ("en",),
        base_url: str = ADDRESS,
        key_env: str | None = KEY,
        per_second: float = 1.0,
        timeout: float = 30.0,
        retries: int = 5,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        clock: Clock = SYSTEM,
    ) -> None:
        """`per_second`: requests that are begun at most; the free quota is 1. `key_env` None: no key, for a
        server on this machine. The rest is as in OpenAIClient.
        """
        self._httpx = _httpx()
        self.attributes, self._languages = _names("attributes", attributes), _names("languages", languages)
        self._endpoint: Endpoint = endpoint(base_url, key_env)
        if key_env is None and not self._endpoint.is_local:
            raise InputError(f"{self._endpoint.host} asks for a key; name its variable in key_env")
        self._apart = 1 / number("per_second", per_second, above=0)
        self._timeout = number("timeout", timeout, above=0)
        self._patience = Patience(retries, first_wait, longest_wait)
        self._clock, self._free_at = clock, 0.0
        self._session: _Session | None = None
        self.name = f"perspective at {self._endpoint.host}"

    def __repr__(self) -> str:
        return f"PerspectiveClient({', '.join(self.attributes)}, {self._endpoint.url!r})"

    def fingerprint(self) -> str:
        """Of address, attributes and languages; the key is no part of it."""
        return digest({"client": "perspective", "url": self._endpoint.url, "attributes": self.attributes,
                       "languages": self._languages})  # fmt: skip

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.loop is asyncio.get_running_loop():
            await session.http.aclose()

    async def complete(self, request: Request) -> Reply:
        """{"TOXICITY": 0.12}, asked for again where that may help; a ClientError otherwise."""
        text = request.messages[-1].content
        if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
            raise Refused(f"the text is longer than {LONGEST} bytes, which Perspective does not read")
        session, attempt = self._here(), 0
        while True:
            await self._turn(session)
            found = await self._attempt(session, text)
            if isinstance(found, Reply):
                return replace(found, usage=Usage(1, retries=attempt))
            wait = self._patience.wait(attempt, found)
            if wait is None:
                raise found.error
            if found.asked is not None:  # holds for everybody who asks this server
                self._free_at = max(self._free_at, self._clock.now() + found.asked)
            await self._clock.sleep(wait)
            attempt += 1

    # Inside

    def _here(self) -> _Session:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.loop is not loop:
            http = self._httpx.AsyncClient(
                timeout=None,  # ours holds for the whole attempt
                follow_redirects=False,
                trust_env=not self._endpoint.is_local,
                verify=self._endpoint.url.startswith("https"),
            )
            self._session = _Session(loop, http, asyncio.Lock())
        return self._session

    async def _turn(self, session: _Session) -> None:
        """Wait until the next request may begin."""
        async with session.turn:
            left = self._free_at - self._clock.now()
            if left > 0:
                await self._clock.sleep(left)
            self._free_at = max(self._free_at, self._clock.now()) + self._apart

    async def _attempt(self, session: _Session, text: str) -> Reply | Failure:
        """One request; what httpx raises is turned into ours outside of its `except`: it holds headers."""
        headers = {} if self._endpoint.key is None else {"x-goog-api-key": self._endpoint.key.reveal()}
        body = {
            "comment": {"text": text},
            "languages": self._languages,
            "requestedAttributes": {name: {} for name in self.attributes},
            "doNotStore": True,
        }
        caught: Exception
        try:
            async with asyncio.timeout(self._timeout):
                answer = await session.http.post(self._endpoint.url + _PATH, json=body, headers=headers)
        except Exception as error:
            caught = error
        else:
            return self._read(answer)
        return self._failure(caught)

    def _read(self, answer: Any) -> Reply | Failure:
        status, text = int(answer.status_code), self._without_key(answer.text)
        if status == 200:
            try:
                return Reply(json.dumps(self._scores(parse_body(text))))
            except BadReply as error:
                return Failure(error)
        asked = asked_wait(answer.headers, self._clock.now())
        try:
            message = error_message(parse_body(text))
        except BadReply:
            message = error_message(text)
        where = f"{self._endpoint.host} answers {status}: {message}"
        if status == 429:
            return Failure(RateLimited(where), again=True, asked=asked)
        if status >= 500 or status == 408:
            return Failure(Unavailable(where), again=True, asked=asked)
        if 300 <= status < 400:
            return Failure(Refused(f"{self._endpoint.host} sends requests elsewhere; give that base_url"))
        return Failure(Refused(where))

    def _scores(self, body: Any) -> dict[str, float]:
        found = {}
        for name in self.attributes:
            value: Any = body.get("attributeScores")
            for key in (name, "summaryScore", "value"):
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise BadReply(f"Perspective gives no {name} from 0 to 1 but {value!r}")
            found[name] = float(value)
        return found

    def _failure(self, error: Exception) -> Failure:
        where = self._endpoint.host
        if isinstance(error, TimeoutError | self._httpx.TimeoutException):
            return Failure(TimedOut(f"{where} gave no answer within {self._timeout:g} s"), again=True)
        if isinstance(error, self._httpx.TransportError):
            return Failure(Unavailable(f"the connection to {where} failed or was cut"), again=True)
        if isinstance(error, UnicodeEncodeError):
            return Failure(Refused("the text holds half a surrogate pair, which no request carries"))
        return Failure(BadReply(f"{where} could not be understood ({type(error).__name__})"))

    def _without_key(self, text: str) -> str:
        key = self._endpoint.key
        return text if key is None else text.replace(key.reveal(), "***")


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra.of("httpx", "perspective") from error
    return httpx


def _names(field: str, given: Sequence[str]) -> list[str]:
    found = [given] if isinstance(given, str) else list(given)
    if not found or not all(isinstance(each, str) and each.strip() for each in found):
        raise InputError(f"{field} is a list of names, got {given!r}")
    return found
