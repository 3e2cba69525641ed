"""When to ask a server again, and how long to wait before. Knows waits and headers; sends nothing."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from saesteer.errors import InputError
from saesteer.llms.client import ClientError

_DAY: Final = 86_400.0  # seconds


class Clock:
    """The system's time; a test gives one of its own."""

    def now(self) -> float:
        """Seconds since 1970, as dates in headers count them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SYSTEM: Final = Clock()


@dataclass(frozen=True)
class Failure:
    """An attempt that failed."""

    error: ClientError
    again: bool = False
    """Whether another attempt may help."""
    asked: float | None = None
    """Seconds that the server asks to wait."""


@dataclass(frozen=True)
class Patience:
    """How often to ask again, and how long to wait."""

    retries: int = 5
    first_wait: float = 1.0
    """Seconds before the first retry; each further wait is twice as long."""
    longest_wait: float = 60.0
    """No wait is longer; a server that asks for more is given up at once, since it would refuse again."""

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise InputError(f"retries is a whole number from 0, got {self.retries!r}")
        for name in ("first_wait", "longest_wait"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is a number of seconds from 0, got {value!r}")

    def wait(self, attempt: int, failure: Failure) -> float | None:
        """Seconds to wait after attempt number `attempt` (0: the first); None: give up."""
        if not failure.again or attempt >= self.retries:
            return None
        if failure.asked is not None:
            return failure.asked if failure.asked <= self.longest_wait else None
        backoff = min(self.first_wait * 2.0**attempt, self.longest_wait)
        return backoff * random.uniform(0.5, 1.0)  # not all clients again at the same moment


def asked_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None where none can be read."""
    if (milliseconds := _seconds(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _seconds(value)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def shown_wait(seconds: float) -> str:
    """For people: no wait is told that nobody would wait for."""
    return f"{seconds:.0f} s" if seconds <= _DAY else "more than a day"


def _seconds(value: str | None) -> float | None:
    try:
        found = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(0.0, found) if math.isfinite(found) else None
