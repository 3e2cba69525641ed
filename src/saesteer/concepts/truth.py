"""What a document's label says: the concept is there, or not, or nothing; and how much. Knows no scores."""

from __future__ import annotations

import math
from collections.abc import Collection

from saesteer.errors import InputError
from saesteer.text import Document
from saesteer.text.document import GRADE

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def truth_of(document: Document, positive: Collection[str] = ()) -> bool | None:
    """By the labels that count as positive (others do not), or by a number (0.5 or more), or true or false.

    None where there is no label; InputError where it is another word and no positive ones are named.
    """
    label = document.label
    if label is None or not label.strip():
        return None
    if positive:
        return label in positive
    if label.strip().casefold() in _WORDS:
        return _WORDS[label.strip().casefold()]
    number = _number(label)
    if math.isnan(number) and label.strip().casefold() != "nan":
        raise InputError(
            f"{document.id}: the label {label!r} is neither a number nor true or false; "
            "say which labels are positive"
        )
    return None if math.isnan(number) else number >= 0.5


def grade_of(document: Document, column: str = GRADE) -> float | None:
    """The number in that column, or a label that is a number; None where there is none."""
    value = document.meta.get(column)
    number = _number(document.label if value is None or value == "" else value)
    return number if math.isfinite(number) else None


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
