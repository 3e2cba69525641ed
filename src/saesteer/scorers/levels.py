"""Levels of tokens, read out of replies in lines or in JSON. Knows replies, no prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from saesteer import parsing
from saesteer.examples import LEVELS, Failure
from saesteer.llms import Reply
from saesteer.scorers.asking import unparsed
from saesteer.scorers.logprobs import Choices, share

_LINE = re.compile(r"^[ \t]*(\d{1,6})[ \t]*:[ \t]*(\d{1,3})[ \t]*\.?[ \t]*\r?$", re.MULTILINE)
_NAMES: Final = tuple(str(level) for level in range(LEVELS + 1))


def parse_lines(reply: Reply, tokens: int) -> tuple[float, ...] | Failure:
    """Lines of a token's number and its level; each number once, in order, whatever stands around them."""
    found = [*_LINE.finditer(reply.text)]
    if not found:
        return unparsed("no lines of a number and a level", reply)
    if [int(match.group(1)) for match in found] != list(range(1, tokens + 1)):
        return unparsed(f"lines are not those of tokens 1 to {tokens}", reply, "wrong_number")
    said = [int(match.group(2)) for match in found]
    if max(said) > LEVELS:
        return unparsed(f"the level {max(said)} is above {LEVELS}", reply)
    choices = Choices.of(reply)
    return tuple(
        float(level) if choices is None else expected(choices, *match.span(2), level)
        for match, level in zip(found, said, strict=True)
    )


def expected(choices: Choices, start: int, end: int, said: int) -> float:
    """The mean level by the probabilities of what might stand there; as said where they cannot be told.

    A level of 10 that is written in two tokens begins like 1: where such a 1 was written, what the second
    token might have been tells how much of its probability is of 10.
    """
    found = choices.at(start, end)
    if found is None and end - start == 2:
        found = _two_tokens(choices, start, choices.at(start, start + 1))
    elif found is not None and said == 1:
        found = _two_tokens(choices, start, found)
    if found is None or share(found, _NAMES[0], _NAMES) is None:
        return float(said)
    return sum(level * (share(found, name, _NAMES) or 0.0) for level, name in enumerate(_NAMES))


def _two_tokens(
    choices: Choices, start: int, first: Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """The probabilities at a 1, those of it taken apart into 1 and 10."""
    if first is None:
        return None
    one, goes_on = first.get("1", 0.0), choices.after(start).get("0", 0.0)
    return {**first, "1": one * (1 - goes_on), "10": first.get("10", 0.0) + one * goes_on}


def parse_json(reply: Reply, tokens: int) -> tuple[float, ...] | Failure:
    """An object with `levels`, a list of as many numbers from 0 to 10; a fence around it is taken off."""
    first, last = reply.text.find("{"), reply.text.rfind("}")
    try:
        given: Any = parsing.parse_json(reply.text[first : last + 1])
    except (ValueError, json.JSONDecodeError):
        return unparsed("no JSON object", reply)
    levels = given.get("levels") if isinstance(given, dict) else None
    if not isinstance(levels, list):
        return unparsed("no list under the key levels", reply)
    if len(levels) != tokens:
        return unparsed(f"{len(levels)} levels for {tokens} tokens", reply, "wrong_number")
    if not all(_is_level(each) for each in levels):
        return unparsed(f"levels are numbers from 0 to {LEVELS}", reply)
    return tuple(float(each) for each in levels)


def _is_level(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LEVELS
