"""What a reader who knows the world makes of an explanation, and where in a text that stands.

An explanation names concepts (by name, by title or by description) and words (in quotation marks, or words
that belong to a concept). A text expresses a concept where a sentence of it does by the grammar; of a
sentence that is cut off or not well formed, where most of its concept words are its own. Knows no latent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Bool

from saesteer.examples import LEVELS
from saesteer.world.reading import read_sentence
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.words import CONCEPTS, ConceptWords, lexicon

_QUOTED = re.compile(r"(?<!\w)(?:\"([^\"]+)\"|'([^']+)'|`([^`]+)`|“([^”]+)”|‘([^’]+)’)(?!\w)")  # noqa: RUF001
_ARTICLE = re.compile(r"^(?:an?|the) ")
_NEAR: Final = LEVELS // 2  # level of a token that only stands in a sentence that expresses the concept
_WORDS: Final = 0.1  # what two windows have in common: weight of words beside concepts


@dataclass(frozen=True)
class Meaning:
    """What an explanation names."""

    concepts: frozenset[str]
    phrases: frozenset[str]
    """Words and word sequences, in small letters."""


@lru_cache(maxsize=1024)
def understood(explanation: str) -> Meaning:
    """Nothing where the explanation names nothing of the world."""
    quoted = [next(filter(None, groups)).strip().lower() for groups in _QUOTED.findall(explanation)]
    rest = _QUOTED.sub(" ", explanation)
    concepts = set()
    for name in CONCEPTS:
        for alias in _aliases(lexicon()[name]):
            rest, found = re.subn(_whole(alias), " ", rest)
            if found:
                concepts.add(name)
    words = (word.removesuffix("'s") for word in split_words(rest))
    owned = [word.lower() for word in words if _owner(word)]
    return Meaning(frozenset(concepts), frozenset(filter(None, [*quoted, *owned])))


def says(meaning: Meaning, tokens: tuple[str, ...], marks: Sequence[bool] | None = None) -> bool:
    """Whether a text holds what is meant; of a marked one, whether most marked tokens stand where it does."""
    named, near = places(meaning, tokens)
    there = named | near
    if marks is None:
        return bool(there.any())
    flags = np.asarray(marks, dtype=bool)
    return bool(flags.any()) and 2 * int(there[flags].sum()) >= int(flags.sum())


def levels_of(meaning: Meaning, tokens: tuple[str, ...]) -> tuple[int, ...]:
    """10 at words that are named or belong to a concept that is, 5 in the rest of a sentence about it."""
    named, near = places(meaning, tokens)
    return tuple(np.where(named, LEVELS, np.where(near, _NEAR, 0)).tolist())


def places(
    meaning: Meaning, tokens: tuple[str, ...]
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Tokens of what is named itself, and tokens of sentences that express a concept that is."""
    text, ends = "".join(tokens), np.cumsum([len(token) for token in tokens])
    named, near = np.zeros(len(tokens), dtype=bool), np.zeros(len(tokens), dtype=bool)
    for phrase in meaning.phrases:
        for match in _whole(phrase).finditer(text):
            named |= _over(ends, *match.span())
    for start, end, concepts in _sentences(text):
        if meaning.concepts & concepts:
            near |= _over(ends, start, end)
    for number, token in enumerate(tokens):
        if near[number] and _owner(token.strip()) in meaning.concepts:
            named[number] = True
    return named, near


def intruder_among(windows: Sequence[tuple[str, ...]], marks: Sequence[Sequence[bool]] | None) -> int:
    """The window that has least in common with the others: concepts first, then words; the first of equals.

    With marks only marked tokens count.
    """
    flags = [[True] * len(each) for each in windows] if marks is None else marks
    seen = [_content(*pair) for pair in zip(windows, flags, strict=True)]
    common = [sum(_common(one, other) for other in seen if other is not one) for one in seen]
    return int(np.argmin(common))


Content = tuple[dict[str, float], frozenset[str]]


def _content(tokens: tuple[str, ...], flags: Sequence[bool]) -> Content:
    """Share of the tokens that stand in sentences of each concept; the words."""
    text, ends = "".join(tokens), np.cumsum([len(token) for token in tokens])
    chosen = np.asarray(flags, dtype=bool)
    shares: dict[str, float] = {}
    for start, end, concepts in _sentences(text):
        part = float((_over(ends, start, end) & chosen).sum()) / max(1, int(chosen.sum()))
        for each in concepts:
            shares[each] = shares.get(each, 0.0) + part
    words = (token.strip().lower() for token, flag in zip(tokens, flags, strict=True) if flag)
    return shares, frozenset(word for word in words if word.isalpha())


def _common(one: Content, other: Content) -> float:
    shares = sum(min(one[0].get(each, 0.0), other[0].get(each, 0.0)) for each in CONCEPTS)
    return shares + _WORDS * len(one[1] & other[1]) / max(1, len(one[1] | other[1]))


@lru_cache(maxsize=4096)
def _sentences(text: str) -> tuple[tuple[int, int, frozenset[str]], ...]:
    """Where each sentence stands, the tail too, and the concepts that it expresses."""
    return tuple(_spans(text))


def _spans(text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    finished, tail = split_sentences(text)
    at = 0
    for sentence in filter(None, [*finished, tail]):
        start = text.index(sentence, at)
        at = start + len(sentence)
        reading = read_sentence(sentence)
        yield start, at, frozenset(_leaning(sentence) if reading is None else reading.concepts)


def _leaning(sentence: str) -> list[str]:
    """The concept that has most of the concept words of a sentence that cannot be read."""
    counts = Counter(filter(None, map(_owner, split_words(sentence))))
    return [each for each, count in counts.items() if 2 * count > counts.total()]


def _over(ends: np.ndarray, start: int, end: int) -> Bool[np.ndarray, " n"]:
    """Tokens that have a character in [start, end) of the text."""
    begins = np.concatenate([[0], ends[:-1]])
    return (begins < end) & (ends > start)


def _owner(word: str) -> str | None:
    entries = lexicon().entries
    entry = entries.get(word) or entries.get(word.lower())
    return None if entry is None else entry.owner


def _aliases(concept: ConceptWords) -> tuple[str, ...]:
    return (concept.description, _ARTICLE.sub("", concept.title), concept.name)


@lru_cache(maxsize=4096)
def _whole(phrase: str) -> re.Pattern[str]:
    """The phrase where no word goes on before or behind it, a plural s aside."""
    before = r"(?<!\w)" if phrase[:1].isalnum() else ""
    after = r"s?(?!\w)" if phrase[-1:].isalnum() else ""
    return re.compile(before + re.escape(phrase) + after, re.IGNORECASE)
