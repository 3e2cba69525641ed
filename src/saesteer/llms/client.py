"""What is asked of a language model that explains and judges, and what it answers. Knows no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, runtime_checkable

from saesteer.errors import SaesteerError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Request:
    """One conversation that ends with the user's turn; what is the same in many requests comes first.

    `task` is what the text says, typed, for clients that know the truth (the world's oracle): it is neither
    sent anywhere nor part of a cache's key.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    top_logprobs: int = 0
    """How many alternatives of each token of the answer are wanted with their log-probability; 0: none."""
    json: bool = False
    """Whether the answer should be one JSON object, where the server can promise that."""
    schema: str = ""
    """A JSON schema, as text, that the answer should keep to, where the server can promise that."""
    seed: int | None = None
    task: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class TokenChoice:
    """A token of an answer and what else it might have been."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """(token, log-probability), the likeliest first, the one that was chosen included."""


@dataclass(frozen=True)
class Usage:
    """Tokens and money; of several requests, their sum."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0
    """Requests that were answered from the disk."""
    retries: int = 0
    cost: float | None = None
    """In the currency of the prices that were given; None where there are none."""
    uncounted: int = 0
    """Answers whose server told no tokens, and attempts that broke off after they were sent: the counts of
    tokens and the cost lack them.
    """
    without_logprobs: int = 0
    """Answers that lack the log-probabilities that were asked for."""

    def __add__(self, other: Usage) -> Usage:
        costs = [each for each in (self.cost, other.cost) if each is not None]
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached + other.cached,
            self.retries + other.retries,
            sum(costs) if costs else None,
            self.uncounted + other.uncounted,
            self.without_logprobs + other.without_logprobs,
        )


NOTHING: Final = Usage()
ONE: Final = Usage(requests=1)


@dataclass(frozen=True)
class Reply:
    """The answer to one request."""

    text: str
    ended: Literal["stop", "length"] = "stop"
    logprobs: tuple[TokenChoice, ...] | None = None
    """One per token of the text; None where the client gives none or none were asked for."""
    usage: Usage = ONE


@runtime_checkable
class Client(Protocol):
    """Answers requests; safe to be asked many at once in one event loop."""

    name: str
    """What reports call it, without secrets."""

    async def complete(self, request: Request) -> Reply:
        """The answer; a ClientError where there is none after all retries."""
        ...

    def fingerprint(self) -> str:
        """Equal for clients that would answer alike: a hash of model and settings, no key in it."""
        ...

    async def close(self) -> None:
        """Give back what is held; the client is not asked again."""
        ...


class ClientError(SaesteerError):
    """No answer was had. `kind` is what results count by."""

    kind = "client"

    def __init__(self, message: str = "", usage: Usage = ONE) -> None:
        """`usage`: what was spent on it all the same, of all attempts together."""
        super().__init__(message)
        self.usage = usage


class RateLimited(ClientError):
    kind = "rate_limited"


class Unavailable(ClientError):
    """A server error or a cut connection."""

    kind = "unavailable"


class TimedOut(ClientError):
    kind = "timed_out"


class BadReply(ClientError):
    """An answer that is not of the protocol: no JSON, no choices, logprobs of another length."""

    kind = "bad_reply"


class Refused(ClientError):
    """The request itself is refused (key, model name, length): asking again would not help."""

    kind = "refused"


def user(text: str, system: str | None = None) -> tuple[Message, ...]:
    """A conversation of one question."""
    first = () if system is None else (Message("system", system),)
    return (*first, Message("user", text))


def rendered(client: Client, messages: Sequence[Message]) -> str | None:
    """The text that the client's model reads of a conversation, by its own chat template; "" where it has no
    template, None where the client cannot see it (a server applies it).
    """
    ask = getattr(client, "rendered", None)
    return None if ask is None else ask(messages)


def total(usages: Sequence[Usage]) -> Usage:
    """Of several answers."""
    found = NOTHING
    for each in usages:
        found += each
    return found
