"""A Reply as plain values and back: for scripts and for the cache on disk. Knows no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from saesteer.llms.client import ONE, Reply, TokenChoice, Usage


def reply_record(reply: Reply) -> dict[str, Any]:
    """What JSON holds of a reply; its usage is left out, which is of one request and not of the answer."""
    logprobs = None
    if reply.logprobs is not None:
        logprobs = [[each.token, each.logprob, [list(pair) for pair in each.top]] for each in reply.logprobs]
    return {"text": reply.text, "ended": reply.ended, "logprobs": logprobs}


def reply_of(values: Mapping[str, Any], usage: Usage = ONE) -> Reply:
    """The reply of such values; ValueError where they are none."""
    text, ended, logprobs = values.get("text"), values.get("ended", "stop"), values.get("logprobs")
    if not isinstance(text, str):
        raise ValueError(f"'text' is a text, got {text!r}")
    if ended not in ("stop", "length"):
        raise ValueError(f"'ended' is stop or length, got {ended!r}")
    if logprobs is not None and not isinstance(logprobs, list):
        raise ValueError("'logprobs' is a list of [token, logprob, [[token, logprob], ...]]")
    return Reply(text, ended, None if logprobs is None else tuple(map(_choice, logprobs)), usage)


def _choice(value: Any) -> TokenChoice:
    if not isinstance(value, list) or len(value) not in (2, 3):
        raise ValueError("'logprobs' holds lists [token, logprob, [[token, logprob], ...]]")
    top = value[2] if len(value) == 3 else []
    if not isinstance(top, list):
        raise ValueError("the alternatives in 'logprobs' are a list")
    return TokenChoice(*_pair(value[:2]), tuple(map(_pair, top)))


def _pair(value: Any) -> tuple[str, float]:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        raise ValueError("'logprobs' holds pairs of a token and a number")
    if isinstance(value[1], bool) or not isinstance(value[1], int | float) or not math.isfinite(value[1]):
        raise ValueError(f"a log-probability is a finite number, got {value[1]!r}")
    return value[0], float(value[1])
