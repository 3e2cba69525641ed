"""A record from plain values, as YAML or flags give them; each error names the field. Knows dataclasses."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from saesteer.errors import InputError, UnknownName


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
    """The value as the field's type; whole numbers may be written 5e6, lists become tuples."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is Any:
            return value
        if kind is int and isinstance(value, float | str) and _number(value).is_integer():
            return int(_number(value))
        if kind is float and not isinstance(value, bool) and not math.isnan(_number(value)):
            return _number(value)
        if get_origin(kind) is tuple and isinstance(value, list | tuple):
            return tuple(typed(name, each, get_args(kind)[0]) for each in value)
        if get_origin(kind) is not None and get_origin(kind) is not tuple and isinstance(value, Mapping):
            return value
        if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and value is True):
            return value
    wanted = " or ".join(getattr(each, "__name__", str(each)) for each in kinds if each is not type(None))
    raise InputError(f"{name} is {wanted}, got {value!r}; mend it")


def _number(value: Any) -> float:
    """YAML reads 5e6 as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
