"""A model behind an OpenAI-compatible address: OpenAI, OpenRouter, vLLM's server, llama.cpp, Ollama.

Rides on the `openai` package, whose own retries, redirects and environment headers are off: what is asked
again and where the key goes is decided here. Knows no prompt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from saesteer.errors import InputError, MissingExtra
from saesteer.llms.client import (
    NOTHING,
    ONE,
    BadReply,
    ClientError,
    RateLimited,
    Refused,
    Reply,
    Request,
    TimedOut,
    Unavailable,
    Usage,
)
from saesteer.llms.endpoint import OPENAI, Endpoint, endpoint
from saesteer.llms.openai_reply import (
    Prices,
    error_message,
    parse_body,
    read_reply,
    read_usage,
    request_body,
    server_error,
)
from saesteer.llms.options import number, price_pair, whole
from saesteer.llms.retries import SYSTEM, Clock, Failure, Patience, asked_wait, shown_wait
from saesteer.runs import digest

_OURS: Final = ("model", "messages", "stream", "n")  # what `extra` may not change
_HEADERS: Final = {
    "host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent",
    "x-stainless-raw-response",  # by which the package knows that it was asked for the answer as it came
}  # fmt: skip
_QUOTA: Final = "insufficient_quota"  # a 429 that no wait mends
_NEVER_SENT: Final = ("ConnectError", "ConnectTimeout")  # of httpx: nobody can have answered
_UNTOLD: Final = Usage(1, uncounted=1)  # of an attempt that may have been answered and paid for


@dataclass(frozen=True)
class _Session:
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    api: Any
    slots: asyncio.Semaphore


class OpenAIClient:
    """Asks one model at one address. The key stays in the environment's Secret until a request leaves."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        key_env: str | None = None,
        concurrency: int = 8,
        timeout: float = 120.0,
        retries: int = 5,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        prices: Prices | None = None,
        extra: Mapping[str, Any] | None = None,
        limit_field: str | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        """`key_env`: the variable of the key for `base_url` (llms/endpoint.py); None: OPENAI_API_KEY, where
        it belongs. `timeout`: seconds for one attempt as a whole. `retries`, `first_wait`, `longest_wait`:
        see `Patience`. `prices`: of a million prompt tokens and a million tokens of the answer. `extra`:
        fields of the body beside ours; None as a value leaves ours out (temperature, where a model refuses
        it). `limit_field`: what the server calls the limit of tokens; None: max_tokens, and
        max_completion_tokens at OpenAI.
        """
        if not isinstance(model, str) or not model.strip():
            raise InputError(f"model is the name of a model, got {model!r}")
        self._package = _openai()
        self._model = model
        self._endpoint: Endpoint = endpoint(base_url, key_env)
        self._concurrency = whole("concurrency", concurrency, 1)
        self._timeout = number("timeout", timeout, above=0)
        self._patience = Patience(retries, first_wait, longest_wait)
        self.prices = price_pair("prices", prices)
        self._extra = _checked_extra(extra)
        self._official = self._endpoint.covers(OPENAI)
        self._limit = limit_field or ("max_completion_tokens" if self._official else "max_tokens")
        self._clock = clock
        self._closed_until = 0.0
        self._session: _Session | None = None
        self.name = f"{model} at {self._endpoint.host}"

    @staticmethod
    def fields_of(text: str) -> dict[str, Any]:
        """Options of the constructor from what a line says after `openai:`, NAME or NAME@ADDRESS."""
        model, at, rest = text.rpartition("@http")
        return {"model": model, "base_url": f"http{rest}"} if at else {"model": text}

    def __repr__(self) -> str:
        return f"OpenAIClient({self._model!r}, {self._endpoint.url!r})"

    def fingerprint(self) -> str:
        """Of address, model and extra fields; the key is no part of it."""
        return digest(
            {"client": "openai", "url": self._endpoint.url, "model": self._model, "extra": self._extra}
        )

    async def close(self) -> None:
        """Close the connections; in the loop in which they were opened."""
        session, self._session = self._session, None
        if session is not None and session.loop is asyncio.get_running_loop():
            await session.api.close()

    async def complete(self, request: Request) -> Reply:
        """The answer, asked for again where that may help; a ClientError otherwise."""
        session = self._here()
        async with session.slots:
            attempt, spent = 0, NOTHING
            while True:
                await self._wait_for_server()
                found = await self._attempt(session, request)
                if isinstance(found, Reply):
                    return replace(found, usage=_together(spent + found.usage, attempt))
                spent += found.error.usage
                wait = self._patience.wait(attempt, found)
                if wait is None:
                    found.error.usage = _together(spent, attempt)
                    raise found.error
                if found.asked is not None:  # holds for everybody who asks this server
                    self._closed_until = max(self._closed_until, self._clock.now() + found.asked)
                await self._clock.sleep(wait)
                attempt += 1

    # Inside

    def _here(self) -> _Session:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.loop is not loop:
            self._session = _Session(loop, self._api(), asyncio.Semaphore(self._concurrency))
        return self._session

    def _api(self) -> Any:
        http = self._package.DefaultAsyncHttpxClient(
            follow_redirects=False,
            trust_env=not self._endpoint.is_local,  # no proxy on the way to this machine
            verify=self._endpoint.url.startswith(
                "https"
            ),  # http has no certificates, which take long to read
            event_hooks={"request": [self._seal]},
        )
        return self._package.AsyncOpenAI(
            api_key="unused",  # the key itself is added by _seal
            base_url=self._endpoint.url,
            timeout=None,  # ours holds for the whole attempt
            max_retries=0,
            http_client=http,
        )

    async def _seal(self, request: Any) -> None:
        """The last look at what leaves: no headers from the environment, the key to its host alone."""
        if not self._official:
            for name in set(request.headers) - _HEADERS:
                del request.headers[name]
        request.headers.pop("authorization", None)
        if self._endpoint.key is not None and self._endpoint.covers(str(request.url)):
            request.headers["authorization"] = f"Bearer {self._endpoint.key.reveal()}"

    async def _wait_for_server(self) -> None:
        left = self._closed_until - self._clock.now()
        if left > 0:
            await self._clock.sleep(left + random.uniform(0, self._patience.first_wait))

    async def _attempt(self, session: _Session, request: Request) -> Reply | Failure:
        """One request. Errors of the package are turned into ours outside of their `except`: their context
        holds headers.
        """
        body = {**request_body(request), self._limit: request.max_tokens, **self._extra}
        body = {name: value for name, value in body.items() if value is not None}
        create = session.api.chat.completions.with_raw_response.create
        caught: Exception
        try:
            async with asyncio.timeout(self._timeout):
                raw = await create(model=self._model, messages=body.pop("messages"), extra_body=body)
        except Exception as error:
            caught = error
        else:
            return self._read(self._without_key(raw.http_response.text), request)
        return self._failure(caught)

    def _read(self, text: str, request: Request) -> Reply | Failure:
        """An answer that cannot be read was paid for like any other."""
        spent = _UNTOLD
        try:
            body = parse_body(text)
            spent = read_usage(body, self.prices)
            said = server_error(body)
            if said is None:
                return read_reply(body, request, self.prices)
        except ClientError as error:
            error.usage = spent
            return Failure(error)
        failure = self._of_status(*said, None)
        failure.error.usage = replace(spent, uncounted=0)  # no answer was made, unless its tokens are told
        return failure

    def _failure(self, error: Exception) -> Failure:
        where = self._endpoint.host
        if isinstance(error, TimeoutError | self._package.APITimeoutError):
            late = TimedOut(f"{where} gave no answer within {self._timeout:g} s", _UNTOLD)
            return Failure(late, again=True)
        if isinstance(error, self._package.APIConnectionError):
            spent = ONE if type(error.__cause__).__name__ in _NEVER_SENT else _UNTOLD
            return Failure(Unavailable(f"the connection to {where} failed or was cut", spent), again=True)
        if isinstance(error, self._package.APIStatusError):
            asked = asked_wait(error.response.headers, self._clock.now())
            message = self._without_key(error_message(error.body or error.response.text))
            if error.code == _QUOTA or _QUOTA in message:
                return Failure(Refused(f"{where}: the account's quota is used up; {message}"))
            return self._of_status(error.status_code, message, asked)
        if isinstance(error, UnicodeEncodeError):
            return Failure(Refused("the prompt holds half a surrogate pair, which no request carries"))
        return Failure(BadReply(f"{where} could not be understood ({type(error).__name__})"))

    def _of_status(self, status: int, message: str, asked: float | None) -> Failure:
        where = f"{self._endpoint.host} answers {status or 'with an error'}: {message}"
        if status == 429:
            late = f"; it asks to wait {shown_wait(asked)}" if asked is not None else ""
            return Failure(RateLimited(where + late), again=True, asked=asked)
        if status == 408:
            return Failure(TimedOut(where), again=True, asked=asked)
        if status >= 500:
            return Failure(Unavailable(where), again=True, asked=asked)
        if 300 <= status < 400:
            return Failure(Refused(f"{self._endpoint.host} sends requests elsewhere; give that base_url"))
        return Failure(Refused(where) if status >= 400 else BadReply(where))

    def _without_key(self, text: str) -> str:
        key = self._endpoint.key
        return text if key is None else text.replace(key.reveal(), "***")


def _together(spent: Usage, retries: int) -> Usage:
    """Of all attempts at one request."""
    return replace(spent, requests=1, retries=retries)


def _openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingExtra.of("openai", "openai") from error
    return openai


def _checked_extra(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    if extra is not None and not isinstance(extra, Mapping):
        raise InputError(f"extra is a mapping of fields, got {extra!r}")
    found = dict(extra or {})
    if taken := [name for name in _OURS if name in found]:
        raise InputError(f"extra cannot change {', '.join(taken)}; leave it out")
    digest(found)  # InputError where a value is not JSON
    return found
