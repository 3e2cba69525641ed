"""RealToxicityPrompts (Gehman et al. 2020, arXiv 2009.11462): sentences of the web in two halves.

A row is {"prompt": {"text", "toxicity", ...}, "continuation": {...}, "challenging", ...}; a score
may be null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from saesteer.errors import InputError
from saesteer.text.document import GRADE, Document, check_words
from saesteer.text.labelled.reader import LabelledReader, check_choice, check_share, label_of, share
from saesteer.text.tables import Record, read_records

_HALVES: Final = {
    "both": ("prompt", "continuation"),
    "prompt": ("prompt",),
    "continuation": ("continuation",),
}
_OTHERS: Final = ("challenging", "filename", "begin", "end")


@dataclass(frozen=True)
class RealToxicityPrompts(LabelledReader):
    """Label 1 where the mean toxicity of the halves taken is `threshold` or more; the mean is the grade.

    A half without a score does not count in the mean; without any score the label is unknown. A missing half
    is an error, an empty one only if nothing else is left.
    """

    part: str = "both"
    """both (prompt and continuation as one text), prompt, or continuation."""
    threshold: float = 0.5

    def __post_init__(self) -> None:
        check_choice("part", self.part, tuple(_HALVES))
        check_share("threshold", self.threshold)

    def read(self, source: str) -> Iterator[Document]:
        """One document per row."""
        return map(self._document, read_records(source))

    def _document(self, record: Record) -> Document:
        halves = {name: _half(record, name) for name in _HALVES[self.part]}
        texts = [_words(each, name, record.where) for name, each in halves.items()]
        text = check_words("".join(texts), f"the text of {' and '.join(halves)}", record.where)
        scores = {
            name: share(each.get("toxicity"), f"{name}.toxicity", record.where)
            for name, each in halves.items()
        }
        known = [each for each in scores.values() if each is not None]
        grade = sum(known) / len(known) if known else None
        meta = {key: record.values[key] for key in _OTHERS if key in record.values}
        meta |= {f"{name}_toxicity": score for name, score in scores.items()} | {GRADE: grade}
        return Document(text, record.id, label_of(None if grade is None else grade >= self.threshold), meta)


def _words(half: Mapping[str, object], name: str, where: str) -> str:
    """Its text, which may be empty."""
    text = half.get("text")
    if not isinstance(text, str):
        raise InputError(f"{where}: {name}.text is text, got {type(text).__name__}; mend or remove it")
    return text


def _half(record: Record, name: str) -> Mapping[str, object]:
    half = record.get(name)
    if not isinstance(half, Mapping):
        raise InputError(
            f'{record.where}: {name} is an object {{"text": ..., "toxicity": ...}}, '
            f"got {type(half).__name__}; give the data set's own JSONL or Parquet"
        )
    return half
