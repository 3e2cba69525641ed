"""A regular expression as a judge: how much of a text matches. Knows no language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from saesteer.errors import InputError, UnknownName
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.llms.options import switch
from saesteer.runs import digest

PER: Final = ("text", "sentence", "word")
_ENDS: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")


class RegexJudge:
    """Behaviour: whether `pattern` is found in the text, or in which share of its sentences or words."""

    def __init__(self, pattern: str, per: str = "text", ignore_case: bool = True) -> None:
        if per not in PER:
            raise UnknownName.of("unit of the regex judge (per)", per, PER)
        if not isinstance(pattern, str) or not pattern:
            raise InputError(f"pattern is a regular expression, got {pattern!r}")
        self._ignore_case = switch("ignore_case", ignore_case)
        try:
            self._found = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise InputError(f"pattern is no regular expression ({error}), got {pattern!r}") from error
        self._per = per
        self.name = f"regex ({pattern})"

    def fingerprint(self) -> str:
        return digest({"judge": "regex", "pattern": self._found.pattern, "per": self._per,
                       "ignore_case": self._ignore_case})  # fmt: skip

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        return [self._one(request.text) for request in requests]

    def _one(self, text: str) -> Judgement:
        """A text without a sentence or word has nothing that matches."""
        parts = {"text": lambda: [text], "sentence": lambda: _sentences(text), "word": text.split}[
            self._per
        ]()
        hits = sum(self._found.search(part) is not None for part in parts)
        return Judgement(hits / len(parts) if parts else 0.0, None, detail={"hits": hits, "of": len(parts)})


def _sentences(text: str) -> list[str]:
    return [each for each in _ENDS.split(text) if each.strip()]
