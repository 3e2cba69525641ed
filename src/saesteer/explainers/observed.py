"""What is counted in the windows of one latent: words it fires on, words beside them, words around them.

Knows records and words; says nothing in English. Only the windows of explaining are read, never those that
test. A word with an activation far below the strongest is neither active nor silent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

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
_ONCE: Final = 1.5
"""Weight up to which an n-gram may have been seen in one row only, which tells nothing."""
_WEAK: Final = 0.2
"""Share of a strong window's peak below which a word does not count as active."""

EVERY: Final = ""
"""In place of a word: all of them."""
_ONE_BY_ONE: Final = 3
"""Words whose neighbours are counted apart."""
_SEVERAL: Final = 4
"""Occurrences from which a word's neighbours are counted."""

K = TypeVar("K")
Words = Sequence[Word]
Place = tuple[Words, int]
"""A window and the number of a word in it."""
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
    examples = (*record.train, *record.silent_train)
    windows = [words_of(each) for each in examples]
    floor = _WEAK * float(np.quantile([each.max for each in record.train], 0.9))
    active = [(w, i) for w in windows for i, word in enumerate(w) if word.activation > floor]
    silent = [(w, i) for w in windows for i, word in enumerate(w) if not word.active]
    mean = sum(w[i].activation for w, i in active) / len(active)
    on = _added((w[i].text, w[i].activation / mean) for w, i in active)
    hits, off = Counter(w[i].text for w, i in active), Counter(w[i].text for w, i in silent)
    return Observed(
        fires_on=compared(on, len(active), off, len(silent)),
        rates={word: hits[word] / (hits[word] + off[word]) for word in on},
        silent_words={word: count / len(silent) for word, count in off.items()},
        beside={EVERY: _beside(active)} | _one_by_one(active, on, hits),
        usual=_usual(silent),
        around=_around(windows, [each.row for each in examples], floor),
        places=_added((i, w[i].activation / mean / len(active)) for w, i in active),
    )


def _added(weights: Iterable[tuple[K, float]]) -> dict[K, float]:
    found: defaultdict[K, float] = defaultdict(float)
    for each, weight in weights:
        found[each] += weight
    return dict(found)


def _one_by_one(
    active: Sequence[Place], on: Mapping[str, float], hits: Mapping[str, int]
) -> dict[str, Beside]:
    """Of the words with the most activation, those that occur several times."""
    most = sorted(on, key=lambda word: (-on[word], word))[:_ONE_BY_ONE]
    return {
        word: _beside([(w, i) for w, i in active if w[i].text == word])
        for word in most
        if hits[word] >= _SEVERAL
    }


def _beside(places: Sequence[Place]) -> Beside:
    whole = sum(w[i].activation for w, i in places)
    return {
        offset: _added((_at(w, i + offset), w[i].activation / whole) for w, i in places)
        for offset in (*BEFORE, *AFTER)
    }


def _usual(places: Sequence[Place]) -> Beside:
    return {
        offset: {
            word: count / len(places)
            for word, count in Counter(_at(w, i + offset) for w, i in places).items()
        }
        for offset in (*BEFORE, *AFTER)
    }


def _at(window: Words, i: int) -> str:
    return window[i].text if 0 <= i < len(window) else EDGE


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
    near = _added((each, value / mean) for (_, each), value in inside.items())
    told = {each: weight for each, weight in near.items() if weight > _ONCE}
    return compared(told, len(inside), Counter(each for _, each in outside), len(outside))


def _sentences(window: Words) -> Iterator[Words]:
    start = 0
    for i, word in enumerate(window):
        if word.text in ENDS or i + 1 == len(window):
            yield window[start : i + 1]
            start = i + 1


def _reached(stretch: Words, floor: float) -> list[float]:
    """The strongest activation within reach of each word; 0 where none is active."""
    found = [0.0] * len(stretch)
    for i, word in enumerate(stretch):
        if word.activation > floor:
            for j in range(max(0, i - _REACH), min(len(stretch), i + _REACH + 1)):
                found[j] = max(found[j], word.activation)
    return found


def _ngrams(stretch: Words) -> Iterator[tuple[int, str]]:
    """With the place of the first word."""
    texts = [word.text for word in stretch]
    for i in range(len(texts)):
        for length in range(1, min(_LONGEST, len(texts) - i) + 1):
            yield i, " ".join(texts[i : i + length])
