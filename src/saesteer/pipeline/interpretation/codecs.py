"""Explanations and scores as JSON, and back without loss. Knows records, no file.

What JSON cannot hold (NaN, an infinity, an object) is refused on the way out; what is no such record is
refused on the way in, by the name of the field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from saesteer.errors import CorruptFile
from saesteer.examples import Explanation, Failure, LatentFigures, LatentId, Score
from saesteer.llms.client import Usage
from saesteer.runs import plain

T = TypeVar("T")

_NUMBER: Final = (int, float)
_COUNTS: Final = tuple(each.name for each in dataclasses.fields(Usage) if each.name != "cost")


def encode(found: Explanation | Score | LatentFigures) -> dict[str, Any]:
    """The record as JSON values; InputError where a number is none."""
    record: dict[str, Any] = plain(found)
    return record


def explanation_of(record: Mapping[str, Any]) -> Explanation:
    """The inverse; CorruptFile names the field that is none of an explanation's."""
    fields = _Fields(record, "an explanation")
    found = Explanation(
        latent=fields.take("latent", _latent),
        explainer=fields.take("explainer", _text),
        text=fields.take("text", _or_none(_text)),
        failure=fields.take("failure", _or_none(_failure)),
        usage=fields.take("usage", _usage),
        details=fields.take("details", _mapping),
    )
    return fields.all_of(found)


def score_of(record: Mapping[str, Any]) -> Score:
    """The inverse; CorruptFile names the field that is none of a score's."""
    fields = _Fields(record, "a score")
    found = Score(
        latent=fields.take("latent", _latent),
        scorer=fields.take("scorer", _text),
        explanation=fields.take("explanation", _or_none(_text)),
        value=fields.take("value", _or_none(_number)),
        figures=fields.take("figures", _figures),
        rows=fields.take("rows", _each(_mapping)),
        failures=fields.take("failures", _each(_failure)),
        usage=fields.take("usage", _usage),
        explainer=fields.take("explainer", _or_none(_text), None),
    )
    return fields.all_of(found)


def figures_of(record: Mapping[str, Any]) -> LatentFigures:
    """The inverse for what the cache says of a latent."""
    fields = _Fields(record, "a latent's figures")
    found = LatentFigures(
        fields.take("density", _number), fields.take("max", _number), fields.take("windows", _whole)
    )
    return fields.all_of(found)


class _Fields:
    """The fields of a record that somebody wrote, each taken once."""

    def __init__(self, record: object, what: str) -> None:
        if not isinstance(record, Mapping):
            raise CorruptFile(f"{what} is a mapping, got {type(record).__name__}; remove that line")
        self._left, self._what = dict(record), what

    def take(self, name: str, read: Callable[[Any], T], *absent: T) -> T:
        """`absent`: what a field is that files of an earlier version lack."""
        if name not in self._left:
            if absent:
                return absent[0]
            raise CorruptFile(f"{self._what} without {name}; remove that line")
        value = self._left.pop(name)
        try:
            return read(value)
        except (TypeError, ValueError) as error:
            shown = repr(value)[:60]
            raise CorruptFile(f"{self._what} whose {name} is {shown}; remove that line") from error

    def all_of(self, found: T) -> T:
        if self._left:
            raise CorruptFile(
                f"{self._what} with {next(iter(self._left))!r}, which this version does not know; "
                "update saesteer, or remove that line"
            )
        return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, _NUMBER):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _figures(value: Any) -> dict[str, float | None]:
    return {name: _or_none(_number)(each) for name, each in _mapping(value).items()}


def _latent(value: Any) -> LatentId:
    sae, latent = value
    return LatentId(_text(sae), _whole(latent))


def _failure(value: Any) -> Failure:
    fields = _Fields(value, "a failure")
    return fields.all_of(Failure(fields.take("kind", _text), fields.take("message", _text)))


def _usage(value: Any) -> Usage:
    fields = _Fields(value, "a usage")
    counts = {name: fields.take(name, _whole) for name in _COUNTS}
    return fields.all_of(Usage(**counts, cost=fields.take("cost", _or_none(_number))))


def _or_none(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else read(value)


def _each(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def all_of(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise TypeError
        return tuple(read(each) for each in value)

    return all_of
