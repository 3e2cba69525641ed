"""Any table with a text and a label: a file or the hub's. Knows how labels become 1 and 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saesteer.errors import InputError
from saesteer.text.document import GRADE, Document, check_words
from saesteer.text.labelled.reader import LabelledReader, label_of
from saesteer.text.tables import Record, read_records


@dataclass(frozen=True)
class Table(LabelledReader):
    """Labels by a threshold (numbers), or by names; without either they stay as they are.

    An empty label is unknown. Several names stand with | between them: positive=toxic|hateful.
    """

    text: str = "text"
    """The column with the text."""
    label: str = "label"
    """The column with the label."""
    threshold: float | None = None
    """Label 1 where the number is this or more, else 0; the number is the grade."""
    positive: str | None = None
    """Labels that become 1. Any other becomes 0, or unknown where `negative` says which ones are 0."""
    negative: str | None = None
    """Labels that become 0."""

    def __post_init__(self) -> None:
        if self.threshold is not None and (self.positive or self.negative):
            raise InputError(
                "threshold is for numbers and positive and negative for names; give one of the two"
            )
        if self.negative and not self.positive:
            raise InputError("negative is given without positive; say which labels become 1")
        both = set((self.positive or "").split("|")) & set((self.negative or "").split("|")) - {""}
        if both:
            raise InputError(f"the label {sorted(both)[0]!r} is positive and negative; keep one")

    def read(self, source: str) -> Iterator[Document]:
        """One document per row."""
        return map(self._document, read_records(source))

    def _document(self, record: Record) -> Document:
        text = check_words(record.get(self.text), repr(self.text), record.where)
        value = record.get(self.label)
        meta = {key: each for key, each in record.values.items() if key not in (self.text, self.label)}
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            return Document(text, record.id, None, meta)
        if self.threshold is not None:
            grade = _number(value, self.label, record.where)
            return Document(text, record.id, label_of(grade >= self.threshold), meta | {GRADE: grade})
        if self.positive is not None:
            return Document(text, record.id, label_of(self._named(str(value))), meta)
        return Document(text, record.id, str(value), meta)

    def _named(self, label: str) -> bool | None:
        if label in (self.positive or "").split("|"):
            return True
        return False if self.negative is None or label in self.negative.split("|") else None


def _number(value: Any, column: str, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(
            f"{where}: {column!r} is a number where there is a threshold, got {value!r}; mend it"
        )
    return number
