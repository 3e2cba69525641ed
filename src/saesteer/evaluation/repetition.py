"""How much a text says again. Knows words; no model."""

from __future__ import annotations

from saesteer.errors import InputError
from saesteer.evaluation.fluency import words_of


def repeated_share(text: str, n: int = 3) -> float | None:
    """The share of a text's n-grams of words that it said before, in [0, 1) (seq-rep-n, Welleck et al. 2020).

    None where the text has no n words.
    """
    if n < 1:
        raise InputError(f"n-grams have at least one word, got n = {n}; try 3")
    grams = _grams(words_of(text), n)
    return 1 - len(set(grams)) / len(grams) if grams else None


def longest_repeat(text: str) -> int:
    """Words in the longest stretch that stands twice in a text; the two may overlap."""
    words = words_of(text)
    low, high = 0, max(0, len(words) - 1)
    while low < high:  # a stretch that stands twice has shorter ones that do
        middle = (low + high + 1) // 2
        grams = _grams(words, middle)
        low, high = (middle, high) if len(set(grams)) < len(grams) else (low, middle - 1)
    return low


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
