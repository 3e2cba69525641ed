"""What a language model is asked about a text, a question per criterion. Knows templates, no client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.judges.judge import JudgeRequest
from saesteer.judges.templates import filled
from saesteer.llms.lines import one_line

BUILT_IN: Final = ("behaviour", "coherence", "instruction")
"""Each has its question in prompts/NAME.txt."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN: Final = ("lenient", "reason")  # names that mean something else in a judgement or an answer


@dataclass(frozen=True)
class Criterion:
    """A name, under which the score is kept, and one sentence that says what a high score stands for."""

    name: str
    sentence: str = ""
    """Empty for the built-in ones."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise InputError(
                f"a criterion's name is small letters, digits and _, and not {' or '.join(_TAKEN)}, "
                f"got {self.name!r}; rename it"
            )
        if not isinstance(self.sentence, str):
            raise InputError(f"the criterion {self.name} is one sentence, got {self.sentence!r}")
        if not self.sentence.strip() and self.name not in BUILT_IN:
            raise UnknownName.of("criterion without a sentence", self.name, BUILT_IN)

    def question(self, request: JudgeRequest) -> str:
        """What is asked of this request's text, on one line."""
        if self.sentence.strip():
            return filled("free", sentence=one_line(self.sentence.strip()))
        concept = one_line(request.concept.description.strip() or request.concept.name)
        return filled(self.name, concept=concept) if self.name == "behaviour" else filled(self.name)


def criteria_of(given: Sequence[str | Mapping[str, Any] | Criterion]) -> tuple[Criterion, ...]:
    """From names of built-in ones, "name: sentence", {name: sentence}, {"name", "sentence"}, or criteria."""
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Sequence) or not given:
        raise InputError(f"criteria are a list of names and sentences, got {given!r}; give one at least")
    found = tuple(_criterion(each) for each in given)
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InputError(f"a criterion stands twice in {', '.join(names)}; keep one")
    return found


def _criterion(given: str | Mapping[str, Any] | Criterion) -> Criterion:
    if isinstance(given, Criterion):
        return given
    if isinstance(given, str):
        name, _, sentence = given.partition(":")
        return Criterion(name.strip(), sentence.strip())
    if isinstance(given, Mapping) and set(given) == {"name", "sentence"}:
        return Criterion(given["name"], given["sentence"])
    if isinstance(given, Mapping) and len(given) == 1:
        return Criterion(*next(iter(given.items())))
    raise InputError(f"a criterion is a name, or a name and a sentence, got {given!r}; mend it")
