"""Values of options as a file or --set gives them, checked against annotations. Knows no method.

Options that only Python can give (a tensor, a spec) are refused by name; an outsider's method whose
annotations cannot be read takes any value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from saesteer.errors import InputError

_WORDS: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    NoneType: "null",
}
_REFUSED: Final = object()


def checked(method: Callable[..., Any], settings: Mapping[str, Any], where: str = "--set") -> dict[str, Any]:
    """The values as the method wants them; InputError names the option, the value and what it may be.

    `where`: what they stand in, as the message begins.
    """
    try:
        hints = get_type_hints(method)
    except (NameError, TypeError, AttributeError):
        hints = {}
    return {name: _checked(where, name, value, hints.get(name, Any)) for name, value in settings.items()}


def _checked(where: str, name: str, value: Any, hint: Any) -> Any:
    found = _as(hint, value)
    if found is not _REFUSED:
        return found
    words = [each for each in _words(hint) if each]
    if words in ([], ["null"]):
        raise InputError(f"{where}: {name} can be given in Python alone, got {value!r}; leave it out")
    raise InputError(f"{where}: {name} is {' or '.join(dict.fromkeys(words))}, got {value!r}; mend it")


def _as(hint: Any, value: Any) -> Any:
    """The value as one of `hint`, or _REFUSED."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, UnionType):
        tried = (_as(each, value) for each in inner)
        return next((each for each in tried if each is not _REFUSED), _REFUSED)
    if origin is Literal:
        return value if isinstance(value, str) and value in inner else _REFUSED
    if origin in (list, tuple, Sequence):
        return _list(origin, inner, value)
    if origin is Mapping:
        return _pairs(inner, value)
    return _plain(hint, value)


def _plain(hint: Any, value: Any) -> Any:
    if hint is float:
        return _number(value)
    if hint is int and isinstance(value, bool):
        return _REFUSED
    return value if hint in _WORDS and isinstance(value, hint) else _REFUSED


def _number(value: Any) -> float | object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _REFUSED
    try:
        found = float(value)
    except OverflowError:
        return _REFUSED
    return found if math.isfinite(found) else _REFUSED


def _list(origin: Any, inner: Sequence[Any], value: Any) -> Any:
    """Sequence[int], tuple[int, ...], or tuple[int, float], whose places differ."""
    if not isinstance(value, list):
        return _REFUSED
    fixed = origin is tuple and ... not in inner
    hints: list[Any] = list(inner) if fixed else [inner[0]] * len(value)
    if len(hints) != len(value):
        return _REFUSED
    found = [_as(hint, each) for hint, each in zip(hints, value, strict=True)]
    return _REFUSED if _REFUSED in found else tuple(found) if origin is tuple else found


def _pairs(inner: Sequence[Any], value: Any) -> Any:
    if not isinstance(value, dict):
        return _REFUSED
    pairs = [tuple(_as(hint, each) for hint, each in zip(inner, pair, strict=True)) for pair in value.items()]
    return _REFUSED if any(_REFUSED in each for each in pairs) else dict(pairs)


def _words(hint: Any) -> list[str]:
    """What may be given, in words; nothing for what only Python has."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return [word for each in inner for word in _words(each)]
    if origin is Literal:
        return [f"one of {', '.join(map(str, inner))}"]
    if origin in (list, tuple, Sequence):
        places = [" or ".join(_words(each)) for each in inner if each is not ...]
        return [f"a list [of {', '.join(places)}]"] if all(places) else []
    if origin is Mapping:
        return [f"pairs {{{': '.join(' or '.join(_words(each)) for each in inner)}}}"]
    return [_WORDS[hint]] if hint in _WORDS else []
