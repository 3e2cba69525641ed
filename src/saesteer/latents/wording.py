"""The tokens of a text as people read them: one piece of text each, put together they are the text.

A byte-level tokenizer may cut a letter in two; the first of its tokens then has the whole letter and the
others have "". Knows tokenizers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from saesteer.model import LanguageModel

_BROKEN: Final = "\ufffd"  # what a tokenizer says for bytes that are no letter


def token_pieces(lm: LanguageModel, ids: Sequence[int], strings: Mapping[int, str]) -> tuple[str, ...]:
    """`strings`: token id -> its own text, as `token_strings` gives it."""
    found: list[str] = []
    broken: list[int] = []
    for each in ids:
        if _BROKEN in strings[each]:
            broken.append(each)
            continue
        found += _joined(lm, broken)
        broken = []
        found.append(strings[each])
    return (*found, *_joined(lm, broken))


def _joined(lm: LanguageModel, ids: Sequence[int]) -> list[str]:
    """Tokens with parts of letters; letter by letter, as soon as one is whole."""
    found: list[str] = []
    start = 0
    for end in range(1, len(ids) + 1):
        text = str(lm.tokenizer.decode(list(ids[start:end])))
        if not text.endswith(_BROKEN) or end == len(ids):
            found += [text, *[""] * (end - start - 1)]
            start = end
    return found
