"""Words that texts with a concept have clearly more often than texts without. Knows words, no model.

The log-odds ratio of the shares of texts that have a word, each count with one half added (Haldane 1956,
Anscombe 1956), over its standard error. A word counts where chance alone would give less than one such word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001


def over_represented(positive: Sequence[str], negative: Sequence[str], most: int = 20) -> tuple[str, ...]:
    """The words, in small letters, the clearest first; a text counts once, however often it has a word."""
    if not positive or not negative:
        return ()
    with_it, without = (_texts_with(texts) for texts in (positive, negative))
    tried = [word for word in with_it if len(word) > 1]
    if not tried:
        return ()
    least = NormalDist().inv_cdf(1 - 1 / max(2, len(set(tried) | set(without))))
    scores = {
        word: _z(with_it[word], len(positive), without[word], len(negative)) for word in dict.fromkeys(tried)
    }
    clear = [word for word, z in scores.items() if z > max(least, 1.645)]
    return tuple(sorted(clear, key=lambda word: (-scores[word], word))[:most])


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in {each.casefold() for each in _WORD.findall(text)})


def _z(a: int, of_a: int, b: int, of_b: int) -> float:
    counts = [a + 0.5, of_a - a + 0.5, b + 0.5, of_b - b + 0.5]
    gap = math.log(counts[0] / counts[1]) - math.log(counts[2] / counts[3])
    return gap / math.sqrt(sum(1 / each for each in counts))
