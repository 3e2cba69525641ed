"""Options of clients and fields of requests, checked where they are given: each message names its field."""

from __future__ import annotations

import math
from typing import Any

from saesteer.errors import InputError
from saesteer.llms.client import Refused, Request


def whole(field: str, value: Any, least: int) -> int:
    """A whole number from `least` up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{field} is a whole number from {least}, got {value!r}")
    return value


def number(field: str, value: Any, above: float = -math.inf, most: float = math.inf) -> float:
    """A finite number over `above`, at most `most`."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (fits and above < value <= most):
        limits = [f" above {above:g}"] * (above > -math.inf) + [f" up to {most:g}"] * (most < math.inf)
        raise InputError(f"{field} is a number{','.join(limits)}, got {value!r}")
    return float(value)


def switch(field: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{field} is true or false, got {value!r}")
    return value


def price_pair(field: str, value: Any) -> tuple[float, float] | None:
    """Two numbers from 0, or None."""
    if value is None:
        return None
    fits = isinstance(value, list | tuple) and len(value) == 2
    if not fits or any(isinstance(each, bool) or not isinstance(each, int | float) for each in value):
        raise InputError(
            f"{field} is two numbers, of a million prompt tokens and of the answer's, got {value!r}"
        )
    if not all(math.isfinite(each) and each >= 0 for each in value):
        raise InputError(f"{field} are numbers from 0, got {value!r}")
    return float(value[0]), float(value[1])


def check_request(request: Request) -> None:
    """Refuse what no model in process can do."""
    if not request.messages:
        raise Refused("the request has no messages; write one")
    try:
        whole("max_tokens", request.max_tokens, 1)
        whole("top_logprobs", request.top_logprobs, 0)
        number("temperature", request.temperature)
        if request.temperature and not request.temperature >= 1e-6:
            raise InputError(f"temperature is 0 or at least 1e-6, got {request.temperature!r}")
    except InputError as error:
        raise Refused(str(error)) from error
