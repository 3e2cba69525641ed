"""Concept: what a person names, shown by texts that have it and texts that do not. Knows no model."""

from __future__ import annotations

import random
import re
import reprlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from saesteer.errors import InputError

# Scripts that put no spaces between words: there a text is counted in letters.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
HALVES = re.compile("[\ud800-\udfff]")  # JSON and YAML escapes can spell halves of letters
_SHOWN = 40  # letters of a text that a message quotes


@dataclass(frozen=True)
class Concept:
    """A concept and the texts that contrast it; lists become tuples."""

    name: str
    description: str
    """One sentence, for people and for judges."""
    positive: tuple[str, ...]
    """Texts that express the concept."""
    negative: tuple[str, ...]
    """Texts that do not, otherwise as alike as can be."""
    labels: tuple[str, ...] = ()
    """Names under which a judge knows the concept."""
    prefixes: tuple[str, ...] = ()
    """Prompts known to bring the concept about; `{prompt}` stands for the plain prompt."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.description, str):
            raise InputError(
                f"concept {self.name!r}: the description is text, got {reprlib.repr(self.description)}"
            )
        for field in ("positive", "negative", "labels", "prefixes"):
            object.__setattr__(self, field, strings(getattr(self, field), f"concept {self.name!r}: {field}"))
        check_contrast(self.positive, self.negative, f"concept {self.name!r}: ")

    def split(self, fraction: float = 0.5, seed: int = 0) -> tuple[Concept, Concept]:
        """Two concepts that share no text: `fraction` of each side's texts, and the rest."""
        if not 0 < fraction < 1:
            raise InputError(f"a fraction lies between 0 and 1, got {fraction}; try 0.5")
        parts = [_divide(texts, fraction, seed) for texts in (self.positive, self.negative)]
        return (
            replace(self, positive=parts[0][0], negative=parts[1][0]),
            replace(self, positive=parts[0][1], negative=parts[1][1]),
        )


def check_contrast(positive: Iterable[str], negative: Iterable[str], where: str = "") -> None:
    """InputError unless both sides hold texts of more than one word, none of them twice."""
    sides = {"positive": tuple(positive), "negative": tuple(negative)}
    for side, texts in sides.items():
        if not texts:
            raise InputError(f"{where}there are no {side} texts; give some (twenty or more work well)")
        for number, text in enumerate(texts, start=1):
            _check_text(text, f"{where}{side} text {number}")
        twice, count = Counter(texts).most_common(1)[0]
        if count > 1:
            raise InputError(f"{where}the {side} text {_quote(twice)} stands {count} times; keep one")
    both = sorted(set(sides["positive"]) & set(sides["negative"]))
    if both:
        raise InputError(f"{where}the text {_quote(both[0])} is positive and negative; keep one")


def strings(value: object, where: str) -> tuple[str, ...]:
    """A tuple of texts; InputError for a bare text, or for anything in it that is no text."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(f"{where} is a list of texts, got {type(value).__name__}; put texts in a list")
    found = tuple(value)
    for number, each in enumerate(found, start=1):
        if not isinstance(each, str):
            raise InputError(
                f"{where} {number} is no text, got {type(each).__name__} ({_quote(each)}); quote it"
            )
    return found


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"a concept's name is text, got {name!r}; name it")


def _check_text(text: str, where: str) -> None:
    if not text.strip():
        raise InputError(f"{where} is empty; remove it")
    if HALVES.search(text):
        raise InputError(f"{where} holds half a surrogate pair; mend or remove it")
    if len(text.split()) < 2 and len(_UNSPACED.findall(text)) < 2:
        raise InputError(f"{where} is one word ({_quote(text)}); give whole phrases or sentences")


def _divide(texts: tuple[str, ...], fraction: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if len(texts) < 2:
        raise InputError(f"a split needs two texts on each side, got {len(texts)}; give more")
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    cut = min(max(round(fraction * len(texts)), 1), len(texts) - 1)
    first, second = sorted(order[:cut]), sorted(order[cut:])
    return tuple(texts[i] for i in first), tuple(texts[i] for i in second)


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
