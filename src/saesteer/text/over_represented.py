"""Words that texts with a concept have clearly more often than texts without. Knows words, no model.

Fisher's exact test of the numbers of texts that have a word, one-sided. A word counts where chance alone
would give less than one such word: p under one by the number of words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from scipy.stats import hypergeom

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001


def over_represented(positive: Sequence[str], negative: Sequence[str], most: int = 100) -> tuple[str, ...]:
    """The words, in small letters, the clearest first; a text counts once, however often it has a word."""
    if not positive or not negative:
        return ()
    with_it, without = (_texts_with(texts) for texts in (positive, negative))
    tried = [word for word in with_it if len(word) > 1]
    if not tried:
        return ()
    level = min(1 / len(set(tried) | set(without)), 0.05)
    here = [with_it[word] for word in tried]
    total = [with_it[word] + without[word] for word in tried]
    chance = hypergeom.sf([n - 1 for n in here], len(positive) + len(negative), total, len(positive))
    clear = sorted((float(p), word) for p, word in zip(chance, tried, strict=True) if p < level)
    return tuple(word for _, word in clear[:most])


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in {each.casefold() for each in _WORD.findall(text)})
