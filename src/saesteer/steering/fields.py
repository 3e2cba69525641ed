"""Fields of a record that somebody wrote: each check names the field it fails at. Knows no spec.

A check raises BadSpec("name: must be ..., got ..."); whoever holds the record puts its own name before it
with `inside`, so that the message ends as "interventions[0].strength.value: must be finite, got nan".
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from saesteer.errors import BadSpec, UnknownName

LARGEST: Final = 3.4028234663852886e38
"""Of float32, in which steering computes."""
_MOST: Final = 2**63 - 1  # that an integer of a tensor holds
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def bad(field: str, problem: str) -> BadSpec:
    """The error of a field."""
    return BadSpec(f"{field}: {problem}")


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Put `path` before the field that an error names."""
    try:
        yield
    except BadSpec as error:
        text = str(error)
        raise BadSpec(path + text if text.startswith("[") else f"{path}.{text}") from error


def mapping(field: str, value: object) -> dict[str, Any]:
    """A mapping with text keys."""
    if not isinstance(value, Mapping):
        raise bad(field, f"must be a mapping, got {shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise bad(field, f"keys must be text, got {key!r}")
    return dict(value)


def record(value: Mapping[str, Any], known: Collection[str], needed: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a record: none that is not `known`, all that are `needed`."""
    for key in value:
        if key not in known:
            raise bad(key, str(UnknownName.of("key", key, known)))
    for key in needed:
        if key not in value:
            raise bad(key, "is missing")
    return dict(value)


@contextmanager
def reading(path: str, value: object) -> Iterator[dict[str, Any]]:
    """A mapping that stands at `path`; errors in the block get the path put before them."""
    found = mapping(path, value)
    with inside(path):
        yield found


def sequence(field: str, value: object) -> tuple[Any, ...]:
    """A list."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise bad(field, f"must be a list, got {shown(value)}")
    return tuple(value)


def text(field: str, value: object) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise bad(field, f"must be text, got {shown(value)}")
    return value


def name(field: str, value: object) -> str:
    """A name that can stand in the name of a file."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise bad(field, f"must be a name of letters, digits, _, - and dots, got {shown(value)}")
    return value


def optional_text(field: str, value: object) -> str | None:
    """Text or nothing."""
    return None if value is None else text(field, value)


def finite(field: str, value: object) -> float:
    """A finite number; text that looks like one is refused, since YAML reads 1e-3 as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "; write it without quotes and with a dot (1.0e-3)" if isinstance(value, str) else ""
        raise bad(field, f"must be a number, got {shown(value)}{hint}")
    try:
        number = float(value)
    except OverflowError as error:
        raise bad(field, "must be finite, got a number beyond any float") from error
    if not math.isfinite(number):
        raise bad(field, f"must be finite, got {number}")
    if abs(number) > LARGEST:
        raise bad(field, f"must be finite in float32, got {number:g}")
    return number


def whole(field: str, value: object, least: int = 0) -> int:
    """A whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise bad(field, f"must be a whole number of {least} or more, got {shown(value)}")
    if value > _MOST:
        raise bad(field, f"must be a whole number below 2^63, got {shown(value)}")
    return value


def flag(field: str, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise bad(field, f"must be true or false, got {shown(value)}")
    return value


def one_of(field: str, value: object, known: Collection[str]) -> str:
    """One of the `known` words."""
    if not isinstance(value, str) or value not in known:
        raise bad(field, str(UnknownName.of("value", value, known)))
    return value


def pairs(field: str, value: object) -> tuple[tuple[int, float], ...]:
    """Latents with a number each: [[123, 4.0], ...]; no latent stands twice."""
    found = []
    for place, each in enumerate(sequence(field, value)):
        entry = sequence(f"{field}[{place}]", each)
        if len(entry) != 2:
            raise bad(f"{field}[{place}]", f"must be [latent, number], got {shown(each)}")
        found.append((whole(f"{field}[{place}][0]", entry[0]), finite(f"{field}[{place}][1]", entry[1])))
    latents = [latent for latent, _ in found]
    if not latents or len(set(latents)) < len(latents):
        raise bad(field, f"must name different latents, at least one, got {latents}")
    return tuple(found)


def shown(value: object) -> str:
    """A value as a message quotes it."""
    quoted = repr(value)
    return quoted if len(quoted) <= 60 else quoted[:57] + "..."
