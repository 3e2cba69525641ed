"""The body of a chat completion, as OpenAI's servers and their likes write it, to a Reply and back.

Knows the protocol's fields, not how they came here. What a scorer can do without (log-probabilities, counts
of tokens) is left out and counted where it is missing or wrong; what nobody can do without is a BadReply.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from saesteer.llms.client import BadReply, Refused, Reply, Request, TokenChoice, Usage
from saesteer.parsing import parse_json

_SHOWN: Final = 300  # characters of a server's message
_MILLION: Final = 1e6
Prices = tuple[float, float]
"""Of a million prompt tokens and of a million tokens of the answer."""


def request_body(request: Request) -> dict[str, Any]:
    """The fields of a request, but for the model and the limit of tokens, which servers name differently."""
    body: dict[str, Any] = {
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
        "temperature": request.temperature,
    }
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if request.schema:
        shape = {"name": "answer", "strict": True, "schema": parse_json(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    elif request.json:
        body["response_format"] = {"type": "json_object"}
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def parse_body(text: str) -> dict[str, Any]:
    """The object in a body; BadReply where there is none."""
    try:
        found = parse_json(text)
    except ValueError as error:
        raise BadReply(f"the server's answer is not JSON ({error}): {plain_line(text)!r}") from None
    if not isinstance(found, dict):
        raise BadReply(f"the server's answer is no JSON object: {plain_line(text)!r}")
    return found


def read_reply(body: Mapping[str, Any], request: Request, prices: Prices | None) -> Reply:
    """The first choice of a body."""
    choices = body.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise BadReply(f"the server's answer has no choices, only the fields {_names(body)}")
    text, ended = _text(choices[0])
    logprobs = read_logprobs(choices[0].get("logprobs"), text) if request.top_logprobs else None
    lacking = int(request.top_logprobs > 0 and logprobs is None)
    return Reply(text, ended, logprobs, replace(read_usage(body, prices), without_logprobs=lacking))


def server_error(body: Mapping[str, Any]) -> tuple[int, str] | None:
    """The status and message of an error that a server wrote into the body, whatever the status before it."""
    found = body.get("error")
    if found is None or body.get("choices"):
        return None
    code = found.get("code") if isinstance(found, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return status, error_message(body)


def error_message(body: Any) -> str:
    """What an error's body says, on one line."""
    found = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(found, Mapping):
        found = found.get("message") or found.get("detail") or found
    return plain_line(str(found))


def plain_line(text: str) -> str:
    """A stranger's text as one short line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SHOWN]).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def _text(choice: Mapping[str, Any]) -> tuple[str, Literal["stop", "length"]]:
    message, reason = choice.get("message"), choice.get("finish_reason")
    if reason == "content_filter":
        raise Refused("the server's filter held the answer back; change the text or the model")
    if not isinstance(message, Mapping):
        raise BadReply(f"the server's choice has no message, only the fields {_names(choice)}")
    text = message.get("content")
    if isinstance(refusal := message.get("refusal"), str) and refusal and not text:
        raise Refused(f"the model refuses: {plain_line(refusal)!r}")
    if text is None and reason == "length":  # all tokens were spent before the answer began
        text = ""
    if not isinstance(text, str):
        raise BadReply(
            f"the server's message has no text: finish_reason is {reason!r}, got {_names(message)}"
        )
    return text, "length" if reason == "length" else "stop"


def read_usage(body: Mapping[str, Any], prices: Prices | None) -> Usage:
    """What a body says that its answer took; counted as untold where it says nothing of it."""
    found: Any = body.get("usage")
    counts = [found.get(name) for name in ("prompt_tokens", "completion_tokens")] if _is_map(found) else []
    if not counts or not all(type(each) is int and each >= 0 for each in counts):
        return Usage(1, uncounted=1)
    cost = None
    if prices is not None:
        cost = sum(count * price for count, price in zip(counts, prices, strict=True)) / _MILLION
    prompt, completion = counts
    return Usage(1, prompt, completion, cost=cost)


# Log-probabilities


def read_logprobs(found: Any, text: str) -> tuple[TokenChoice, ...] | None:
    """One choice per token of `text`; None where they are missing, malformed or do not spell it."""
    content = found.get("content") if _is_map(found) else None
    if not isinstance(content, list):
        return None
    choices = [_choice(each) for each in content]
    whole = [each for each in choices if each is not None]
    if len(whole) < len(choices):
        return None
    pieces = [_bytes(each) for each in content]
    for number in (len(whole), len(whole) - 1):  # some servers count the end token, which is not in the text
        if number >= 0 and _spells(pieces[:number], text):
            return tuple(whole[:number])
    return None


def _spells(pieces: list[bytes], text: str) -> bool:
    """Whether the tokens are the text, which some servers strip."""
    spelt, wanted = b"".join(pieces), text.encode("utf-8", "surrogatepass")
    return spelt == wanted or spelt.strip() == wanted.strip()


def _choice(entry: Any) -> TokenChoice | None:
    one = _pair(entry)
    if one is None:
        return None
    listed = entry.get("top_logprobs") or []
    top = [_pair(each) for each in listed] if isinstance(listed, list) else [None]
    pairs = [each for each in top if each is not None]
    if len(pairs) < len(top):
        return None
    if one[0] not in {token for token, _ in pairs}:
        pairs.append(one)
    return TokenChoice(*one, tuple(sorted(pairs, key=lambda pair: -pair[1])))


def _pair(entry: Any) -> tuple[str, float] | None:
    token, logprob = (entry.get("token"), entry.get("logprob")) if _is_map(entry) else (None, None)
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return (token, float(logprob)) if math.isfinite(logprob) else None


def _bytes(entry: Mapping[str, Any]) -> bytes:
    """A token's bytes: of half a character the token's text is no more than a mark of it."""
    given = entry.get("bytes")
    if isinstance(given, list) and all(type(each) is int and 0 <= each < 256 for each in given):
        return bytes(given)
    return str(entry["token"]).encode("utf-8", "surrogatepass")


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _names(fields: Mapping[str, Any]) -> str:
    return plain_line(", ".join(map(str, fields)) or "none")
