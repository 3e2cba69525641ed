"""Words of a window, put together from its tokens. Knows examples; no statistics."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from saesteer.examples import Example

_CONTRACTION: Final = re.compile(r"['\u2019]\w+")
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that put no space between words: there a token is a word."""


@dataclass(frozen=True)
class Word:
    """A word, a number, a punctuation mark or a line break of a window."""

    text: str
    """Without the spaces around it."""
    activation: float
    """The largest of its tokens'."""
    first: int
    """Its first token."""
    last: int

    @property
    def active(self) -> bool:
        return self.activation > 0


def words_of(example: Example) -> tuple[Word, ...]:
    """A token goes on with the word before it where neither has a space there and both are letters or digits.

    A token that is nothing but spaces belongs to what follows it.
    """
    values = example.activations.tolist()
    return tuple(
        Word(_bare("".join(example.tokens[start:stop])), max(values[start:stop]), start, stop - 1)
        for start, stop in _stretches(example.tokens)
    )


def _stretches(tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for i in range(1, len(tokens) + 1):
        if i == len(tokens) or not _goes_on("".join(tokens[start:i]), tokens[i]):
            yield start, i
            start = i


def _goes_on(word: str, token: str) -> bool:
    if not word.strip(" ") or not token:  # a space before a word; the rest of a letter that was cut in two
        return True
    if not _lettered(word[-1]) or _UNSPACED.match(token) or _UNSPACED.match(word[-1]):
        return False
    return _lettered(token[0]) or _CONTRACTION.fullmatch(token) is not None


def _lettered(letter: str) -> bool:
    """Marks that stand on a letter are part of it."""
    return unicodedata.category(letter)[0] in "LMN"


def _bare(text: str) -> str:
    """White space alone stays what it is, so that it can be named."""
    return text.strip() or text
