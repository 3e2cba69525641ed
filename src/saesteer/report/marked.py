"""A concept's words in a text, marked. Knows words and escaping, no record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from saesteer.report.words import visible


def pieces(text: str, words: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """The text cut into pieces, each with whether it is one of the words: whole ones, in any case."""
    wanted = sorted({visible(each) for each in words if each.strip()}, key=len, reverse=True)
    text = visible(text)
    if not wanted:
        yield False, text
        return
    found = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)", re.IGNORECASE)
    end = 0
    for match in found.finditer(text):
        yield False, text[end : match.start()]
        yield True, match[0]
        end = match.end()
    yield False, text[end:]


def marked(text: str, words: Sequence[str]) -> Markup:
    """The text as HTML, escaped, with the words as marks."""
    return Markup("").join(
        Markup('<mark class="w">{}</mark>').format(piece) if hit else escape(piece)
        for hit, piece in pieces(text, words)
    )
