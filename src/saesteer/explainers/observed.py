"""What is counted in the windows of one latent: words it fires on, words beside them, words around them.

Knows records and words; says nothing in English. Only the windows of explaining are read, never those that
test. A word with an activation far below the strongest is neither active nor silent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from saesteer.examples import LatentRecord
from saesteer.explainers.evidence import Evidence, compared
from saesteer.explainers.words import Word, words_of

BEFORE: Final = (-1, -2, -3, -4)
AFTER: Final = (1, 2)
EDGE: Final = ""
"""What stands beside the first and the last word of a window."""
ENDS: Final = frozenset({".", "!", "?"})
_REACH: Final = 12
"""Words on either side of an active one that count as around it; a sentence ends it sooner."""
_LONGEST: Final = 3
"""Words of an n-gram."""
_WEAK: Final = 0.2
"""Share of a strong window's peak below which a word does not count as active."""

EVERY: Final = ""
"""In place of a word: all of them."""
_ONE_BY_ONE: Final = 3
"""Words whose neighbours are counted apart."""
_SEVERAL: Final = 4
"""Occurrences from which a word's neighbours are counted."""

Words = Sequence[Word]
Beside = Mapping[int, Mapping[str, float]]
"""Offset -> what stands there and its share; EDGE for nothing."""


@dataclass(frozen=True)
class Observed:
    """An active word weighs its activation in units of their mean, so that weights add up to their number."""

    fires_on: Mapping[str, Evidence]
    """Active words against silent ones, in all windows."""
    rates: Mapping[str, float]
    """Of each active word, the share of its occurrences at which it is active."""
    silent_words: Mapping[str, float]
    """Shares of words among those that are silent."""
    beside: Mapping[str, Beside]
    """What stands beside active words: of all (EVERY), and of those with the most activation, one by one."""
    usual: Beside
    """What stands beside silent words."""
    around: Mapping[str, Evidence]
    """Words and n-grams in reach of active words against those that are not, in all windows."""
    places: Mapping[int, float]
    """Number of a word in its window -> its share of the activation."""


def observed(record: LatentRecord) -> Observed:
    """There must be an active word."""
    floor = _WEAK * float(np.quantile([each.max for each in record.train], 0.9))
    examples = (*record.train, *record.silent_train)
    windows = [words_of(each) for each in examples]
    active = [(window, i) for window in windows for i, word in enumerate(window) if word.activation > floor]
    silent = [(window, i) for window in windows for i, word in enumerate(window) if not word.active]
    weights = np.array([window[i].activation for window, i in active])
    weights = weights / weights.mean()
    on, hits, places = Counter[str](), Counter[str](), Counter[int]()
    for (window, i), weight in zip(active, weights, strict=True):
        on[window[i].text] += weight
        hits[window[i].text] += 1
        places[i] += weight / len(active)
    off = Counter(window[i].text for window, i in silent)
    return Observed(
        fires_on=compared(on, len(active), off, len(silent)),
        rates={word: hits[word] / (hits[word] + off[word]) for word in on},
        silent_words={word: count / len(silent) for word, count in off.items()},
        beside={EVERY: _beside(active, weights)} | _one_by_one(active, weights, on, hits),
        usual=_beside(silent, np.ones(len(silent))),
        around=_around(windows, [each.row for each in examples], floor),
        places=places,
    )


def _one_by_one(
    active: Sequence[tuple[Words, int]],
    weights: Float[np.ndarray, " places"],
    on: Counter[str],
    hits: Counter[str],
) -> dict[str, Beside]:
    found = {}
    for word, _ in on.most_common(_ONE_BY_ONE):
        here = [n for n, (window, i) in enumerate(active) if window[i].text == word]
        if hits[word] >= _SEVERAL:
            found[word] = _beside([active[n] for n in here], weights[here])
    return found


def _beside(places: Sequence[tuple[Words, int]], weights: Float[np.ndarray, " places"]) -> Beside:
    found: dict[int, Counter[str]] = {offset: Counter() for offset in (*BEFORE, *AFTER)}
    for (window, i), weight in zip(places, weights / weights.sum(), strict=True):
        for offset, texts in found.items():
            there = i + offset
            texts[window[there].text if 0 <= there < len(window) else EDGE] += float(weight)
    return found


def _around(windows: Sequence[Words], rows: Sequence[int], floor: float) -> dict[str, Evidence]:
    """An n-gram counts once in a row and side, by the strongest that is near: texts repeat themselves."""
    inside: dict[tuple[int, str], float] = {}
    outside: set[tuple[int, str]] = set()
    for window, row in zip(windows, rows, strict=True):
        for stretch in _sentences(window):
            reached = _reached(stretch, floor)
            for i, each in _ngrams(stretch):
                if reached[i] > 0:
                    inside[row, each] = max(inside.get((row, each), 0.0), reached[i])
                else:
                    outside.add((row, each))
    mean = sum(inside.values()) / len(inside)
    near = Counter[str]()
    for (_, each), value in inside.items():
        near[each] += value / mean
    return compared(near, len(inside), Counter(each for _, each in outside), len(outside))


def _sentences(window: Words) -> Iterator[Words]:
    start = 0
    for i, word in enumerate(window):
        if word.text in ENDS or i + 1 == len(window):
            yield window[start : i + 1]
            start = i + 1


def _reached(stretch: Words, floor: float) -> Float[np.ndarray, " words"]:
    """The strongest activation within reach of each word; 0 where none is active."""
    found = np.zeros(len(stretch))
    for i, word in enumerate(stretch):
        if word.activation > floor:
            near = slice(max(0, i - _REACH), i + _REACH + 1)
            found[near] = np.maximum(found[near], word.activation)
    return found


def _ngrams(stretch: Words) -> Iterator[tuple[int, str]]:
    """With the place of the first word."""
    texts = [word.text for word in stretch]
    for i in range(len(texts)):
        for length in range(1, min(_LONGEST, len(texts) - i) + 1):
            yield i, " ".join(texts[i : i + length])
