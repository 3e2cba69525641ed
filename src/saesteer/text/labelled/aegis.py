"""Aegis AI Content Safety (Ghosh et al. 2024, arXiv 2404.05993): dialogues, safe or not by vote.

Version 1 has text, text_type and one column per annotator, labels_0 to labels_4: "Safe", "Needs Caution",
harm categories with commas, or nothing. Version 2 has prompt, response, prompt_label and response_label
("safe", "unsafe" or nothing); which one it is shows in the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.text.document import GRADE, Document, check_words
from saesteer.text.labelled.reader import LabelledReader, check_choice, label_of
from saesteer.text.tables import Record, read_records

_SAFE, _CAUTION, _UNSAFE = "safe", "needs caution", "unsafe"
_SIDES: Final = {"safe": False, "unsafe": True, "unknown": None}
_WITHHELD: Final = "REDACTED"  # prompts that version 2 only points to
_PARTS: Final = {"both": ("prompt", "response"), "prompt": ("prompt",), "response": ("response",)}


@dataclass(frozen=True)
class Aegis(LabelledReader):
    """Label 1 where more than half of those who voted call it unsafe; the share of them is the grade.

    A vote is unsafe if it names any harm, safe if it names none but "Safe". "Needs Caution" beside a harm
    changes nothing; alone it counts as `caution` says. Equal votes count as `ties` says.
    """

    caution: str = "unsafe"
    """unsafe (as the data set's defensive guard), safe (as its permissive one), or unknown: no vote."""
    ties: str = "unknown"
    """unsafe, safe or unknown."""
    part: str = "both"
    """Version 2: both (unsafe if either is), prompt or response; rows without that part are left out."""

    def __post_init__(self) -> None:
        check_choice("caution", self.caution, tuple(_SIDES))
        check_choice("ties", self.ties, tuple(_SIDES))
        check_choice("part", self.part, tuple(_PARTS))

    def read(self, source: str) -> Iterator[Document]:
        """One document per row; those of version 2 whose prompt is withheld are left out."""
        for record in read_records(source):
            found = self._second(record) if "prompt_label" in record.values else self._first(record)
            if found is not None:
                yield found

    def _first(self, record: Record) -> Document:
        text = check_words(record.get("text"), "'text'", record.where)
        columns = sorted(each for each in record.values if each.startswith("labels_"))
        if not columns:
            raise InputError(
                f"{record.where} has neither labels_0, labels_1, ... nor prompt_label; "
                "give the data set's own file"
            )
        votes = [self._vote(record.values[each], each, record.where) for each in columns]
        known = [each for each in votes if each is not None]
        grade = sum(known) / len(known) if known else None
        positive = None if grade is None else _SIDES[self.ties] if grade == 0.5 else grade > 0.5
        meta = {key: value for key, value in record.values.items() if key != "text"} | {GRADE: grade}
        return Document(text, record.id, label_of(positive), meta)

    def _vote(self, value: Any, column: str, where: str) -> bool | None:
        """True for unsafe, None for no vote."""
        if value is not None and not isinstance(value, str):
            raise InputError(f"{where}: {column} is text, got {type(value).__name__}; mend it")
        names = {each.strip().casefold() for each in (value or "").split(",")} - {"", "none"}
        if not names:
            return None
        if names <= {_SAFE, _CAUTION}:
            return _SIDES[self.caution] if _CAUTION in names else False
        return True

    def _second(self, record: Record) -> Document | None:
        parts = _PARTS[self.part]
        texts = {each: record.get(each) for each in parts}
        if _WITHHELD in texts.values() or (len(parts) == 1 and not texts[parts[0]]):
            return None
        held = {each: text for each, text in texts.items() if text not in (None, "")}
        for each, text in held.items():
            check_words(text, repr(each), record.where)
        text = check_words("\n".join(held.values()), " and ".join(map(repr, parts)), record.where)
        labels = [_side(record, f"{each}_label") for each in held]
        known = [each for each in labels if each is not None]
        positive = any(known) if known else None
        meta = {key: value for key, value in record.values.items() if key not in ("prompt", "response")}
        return Document(text, record.id, label_of(positive), meta)


def _side(record: Record, column: str) -> bool | None:
    value = record.values.get(column)
    if value in (None, ""):
        return None
    if value not in (_SAFE, _UNSAFE):
        raise InputError(f"{record.where}: {column} is safe, unsafe or empty, got {value!r}; mend it")
    return bool(value == _UNSAFE)
