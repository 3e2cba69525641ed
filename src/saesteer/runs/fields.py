"""A record from plain values, as YAML or flags give them; each error names the field. Knows dataclasses."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from saesteer.errors import InputError, UnknownName
from saesteer.parsing import parse_yaml

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list",
    Mapping: "a mapping",
}


def made(kind: Any, given: Mapping[str, Any], where: str) -> Any:
    """A dataclass from plain values; unknown, missing and odd ones are named."""
    known = {each.name: each for each in fields(kind)}
    for key in given:
        if key not in known:
            raise UnknownName.of(f"field of {where}", key, known)
    missing = [
        name
        for name, each in known.items()
        if name not in given and each.default is MISSING and each.default_factory is MISSING
    ]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing; give it")
    hints = get_type_hints(kind)
    return kind(**{key: typed(f"{where}: {key}", value, hints[key]) for key, value in given.items()})


def typed(name: str, value: Any, hint: Any) -> Any:
    """The value as the field's type: 5e6 is a whole number, one in quotes is none; lists become tuples."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is Any:
            return value
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if kind is float and is_number(value) and not math.isnan(_real(value)):
            return _real(value)
        if get_origin(kind) is tuple and isinstance(value, list | tuple):
            return tuple(typed(name, each, get_args(kind)[0]) for each in value)
        if get_origin(kind) is not None and get_origin(kind) is not tuple and isinstance(value, Mapping):
            return value
        if kind is int and is_number(value) and isinstance(value, int):
            return value
        if isinstance(kind, type) and kind not in (int, float) and isinstance(value, kind):
            return value
    wanted = [_WORDS.get(get_origin(each) or each, str(each)) for each in kinds if each is not type(None)]
    raise InputError(f"{name} is {' or '.join(wanted)}, {said(value)}")


def said(value: Any) -> str:
    """The end of a message about a value that is not what it should be: what was got, and what to do."""
    if value is None:
        return "got nothing; give one, or leave the key out"
    if isinstance(value, str) and is_quoted(value):
        return f"got the text {value!r}; drop the quotes"
    return f"got {value!r:.200}; mend it"


def is_number(value: Any) -> bool:
    """Whether it is one, of which true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_quoted(text: str) -> bool:
    """Whether a text would be a number, true or false if it had no quotes around it."""
    try:
        found = parse_yaml(text)
    except ValueError:
        return False
    return isinstance(found, bool | int | float)


def _real(value: float) -> float:
    """Of a whole number that is too large for one: none."""
    try:
        return float(value)
    except OverflowError:
        return math.nan
