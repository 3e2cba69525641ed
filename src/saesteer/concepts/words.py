"""A concept from words: texts that hold one of them against texts that hold none. Knows text only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from saesteer.errors import InputError
from saesteer.text import Concept

_SIDE = 200  # texts on a side at most


def by_words(words: Sequence[str], texts: Iterable[str]) -> Concept:
    """The first 200 texts that hold one of the words, in any case, against the first 200 that hold none.

    Words count only whole. Raises InputError where there are no words, or a side stays empty.
    """
    wanted = [word.strip() for word in words if word.strip()]
    if not wanted:
        raise InputError(f"words are looked for in texts, got {list(words)}; give at least one")
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)", re.IGNORECASE)
    sides: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for text in texts:
        side = sides[0] if pattern.search(text) else sides[1]
        if len(side) < _SIDE:
            side[text] = None
    for side, what in zip(sides, ("holds one of", "is without"), strict=True):
        if not side:
            raise InputError(f"no text {what} the words {', '.join(wanted)}; give others or more texts")
    return Concept(name=", ".join(wanted), description="", positive=tuple(sides[0]), negative=tuple(sides[1]))
