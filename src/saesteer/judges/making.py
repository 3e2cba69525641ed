"""A judge from a line of text, from a mapping of a settings file, or from a plain function. Knows the table.

    oracle    regex:wedding|bride    classifier[label=toxic]:FOLDER    llm:openai:gpt-4o-mini
    llm[criteria=[behaviour, coherence, instruction], cache=answers]:hf:FOLDER
    combined[coherence=oracle]:classifier:FOLDER

or {"judge": one of these lines, and options by their names}. Values in brackets are YAML, parted by commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.judges.judge import ClosingJudge, Judge
from saesteer.judges.table import JUDGES
from saesteer.llms.making import made
from saesteer.parsing import parse_yaml

_NAME: Final = re.compile(r"\s*([A-Za-z][\w.-]*)")
_OPEN, _CLOSE = "[{(", "]})"


def load_judge(judge: str | Mapping[str, Any] | Judge | Callable[..., Any], **options: Any) -> Judge:
    """A judge by a line or mapping and options by name, the judge itself, or one of a plain function."""
    if isinstance(judge, str | Mapping):
        return _from_line(judge, options)
    if isinstance(judge, Judge) and not isinstance(judge, type):
        if options:
            raise InputError(f"options are for a judge by name, got {', '.join(options)}; leave them out")
        return judge
    if callable(judge):
        from saesteer.judges.function import function_judge

        return function_judge(judge, **options)
    raise InputError(f"a judge is a name, a mapping, a function or a judge, got {type(judge).__name__}")


@contextmanager
def open_judge(judge: str | Mapping[str, Any] | Judge | Callable[..., Any]) -> Iterator[Judge]:
    """The judge for the time of a block; one that was made for it is closed then, one handed over is not."""
    found = load_judge(judge)
    try:
        yield found
    finally:
        if found is not judge and isinstance(found, ClosingJudge):
            found.close()


def _from_line(judge: str | Mapping[str, Any], given: Mapping[str, Any]) -> Judge:
    fields = {"judge": judge} if isinstance(judge, str) else dict(judge)
    line = fields.pop("judge", None)
    if not isinstance(line, str) or not line.strip():
        raise InputError(f"judge is a text like oracle or llm:openai:gpt-4o-mini, got {line!r}")
    name, said, text = parts(line)
    if name not in JUDGES:
        raise UnknownName.of("judge", name, JUDGES.names())
    options: dict[str, Any] = {}
    for source in (said, fields, given):
        if twice := sorted(set(options) & set(source)):
            raise InputError(f"{twice[0]} of the judge {name} is given twice; give it once")
        options |= source
    found: Judge = made(JUDGES, name, text, options)
    return found


def parts(line: str) -> tuple[str, dict[str, Any], str | None]:
    """Name, options and what follows the colon (None: no colon)."""
    match = _NAME.match(line)
    if match is None:
        raise InputError(f"a judge is NAME, NAME:TEXT or NAME[OPTION=VALUE]:TEXT, got {line!r}")
    rest, options = line[match.end() :], {}
    if rest.startswith("["):
        end = _closing(rest, line)
        options, rest = _options(rest[1:end], match[1]), rest[end + 1 :]
    rest = rest.strip()
    if rest and not rest.startswith(":"):
        raise InputError(f"behind a judge's name stands : or nothing, got {rest!r} in {line!r}")
    return match[1], options, rest[1:].strip() if rest else None


def _closing(text: str, line: str) -> int:
    """Where the bracket that opens `text` closes."""
    depth = 0
    for place, letter in _outside_quotes(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if depth == 0:
            return place
    raise InputError(f"a bracket of the judge {line!r} does not close; add ]")


def _options(text: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _at_commas(text):
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not (key and equals and value.strip()) or key in found:
            raise InputError(f"options of {name} are NAME=VALUE with commas, each once, got {part.strip()!r}")
        try:
            found[key] = parse_yaml(value)
        except ValueError as error:
            raise InputError(f"{key} of {name}: {value!r} is no value ({error}); quote it") from error
    return found


def _at_commas(text: str) -> list[str]:
    """Cut at commas that stand in no bracket and no quotes."""
    depth, cuts = 0, [-1]
    for place, letter in _outside_quotes(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and depth == 0:
            cuts.append(place)
    pieces = [text[start + 1 : end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
    return [each for each in pieces if each.strip()]


def _outside_quotes(text: str) -> list[tuple[int, str]]:
    """The letters that stand in no quotes, with their places; an apostrophe within a word is no quote."""
    found, quote = [], ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and text[:place].rstrip()[-1:] in ("=", ",", ":", *_OPEN):
            quote = letter
        else:
            found.append((place, letter))
    return found
