"""Document: one text and what its source says of it. Knows no format and no data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.text.concept import HALVES

GRADE: Final = "grade"
"""The field of `meta` under which a labelled data set's reader keeps a label by degrees, from 0 to 1."""
YES: Final = "1"
NO: Final = "0"


@dataclass(frozen=True)
class Document:
    """One text, where it came from and, in a labelled source, what it was labelled."""

    text: str
    id: str
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def check_words(text: object, noun: str, where: str) -> str:
    """The value, if it is a text that is not empty; InputError else. `noun`: what holds it."""
    if not isinstance(text, str):
        raise InputError(f"{where}: {noun} holds {type(text).__name__}, not text; mend or remove it")
    if not text.strip():
        raise InputError(f"{where}: {noun} is empty; remove it")
    if HALVES.search(text):
        raise InputError(f"{where}: {noun} holds half a surrogate pair; mend or remove it")
    return text
