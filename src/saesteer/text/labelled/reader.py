"""LabelledReader: what every reader of a labelled data set is. Knows options as text, no data set."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from saesteer.errors import InputError
from saesteer.text.document import NO, YES, Document


class LabelledReader(ABC):
    """A frozen dataclass whose fields are the options: texts, numbers or None."""

    @abstractmethod
    def read(self, source: str) -> Iterator[Document]:
        """The documents of a file or folder, or of hf:NAME:SPLIT; InputError names file and line."""


def option_names(kind: type[LabelledReader]) -> list[str]:
    """The options that a reader takes."""
    return [each.name for each in fields(kind)]  # type: ignore[arg-type]


def from_text(kind: type[LabelledReader], name: str, options: Mapping[str, str]) -> LabelledReader:
    """A reader from texts; a number where the field is one."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in options.items():
        number = hints[key] in (float, float | None)
        try:
            values[key] = float(value) if number else value
        except ValueError as error:
            raise InputError(f"{name}: {key} is a number, got {value!r}; give one") from error
    return kind(**values)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """InputError unless the option is one of its choices."""
    if value not in choices:
        raise InputError(f"{name} is one of {', '.join(choices)}, got {value!r}")


def check_share(name: str, value: float | None) -> None:
    """InputError unless the option is a number from 0 to 1, or none."""
    if value is not None and not 0 <= value <= 1:
        raise InputError(f"{name} is from 0 to 1, got {value}; give such a number")


def share(value: object, noun: str, where: str) -> float | None:
    """A number from 0 to 1, or None where it is missing (None, NaN); InputError else."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise InputError(f"{where}: {noun} is a number from 0 to 1, got {value!r}; mend it")
    return number


def label_of(positive: bool | None) -> str | None:
    """The label as documents hold it."""
    return None if positive is None else YES if positive else NO
