"""Windows as a prompt shows them: one line each, marked, with levels. Knows records; no prompt.

A window cannot leave its line, put marks of its own, or begin an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from saesteer.examples import Example, levelled, marked
from saesteer.explainers.words import words_of
from saesteer.llms import lines

_ANSWER: Final = re.compile(r"(explanation)(?=:)", re.IGNORECASE)


@dataclass(frozen=True)
class Shown:
    """One window; what a template does not ask for is not shown."""

    text: str
    levels: str
    """`"veil" 7, "bride" 10`: the marked tokens."""
    peak: str
    """The word at which it is most active."""
    place: int
    """Its number among the words of the window, from 1."""
    words: int
    strength: int
    """Its level."""


def shown(example: Example, largest: float, threshold: float) -> Shown:
    """Marked where the activation is above `threshold` of the window's own largest."""
    tokens = [one_line(each) for each in example.tokens]
    flags = example.activations > threshold * example.max
    levels = example.levels(largest)
    words = words_of(example)
    peak = max(range(len(words)), key=lambda i: words[i].activation)
    pairs = levelled(tokens, (levels * flags).tolist())
    return Shown(
        text=_harmless(marked(tokens, flags.tolist()).strip()),
        levels=", ".join(f"{_quoted(token)} {level}" for token, level in pairs),
        peak=_quoted(one_line(words[peak].text)),
        place=peak + 1,
        words=len(words),
        strength=int(levels.max()),
    )


def strongest_first(examples: Sequence[Example], most: int | None) -> list[Example]:
    """All of them, or so many spread evenly over strong and weak ones."""
    ordered = sorted(examples, key=lambda each: (-each.max, each.start))
    if most is None or most >= len(ordered):
        return ordered
    return [ordered[i * len(ordered) // most] for i in range(most)]


def one_line(text: str) -> str:
    """Without line breaks, control and direction characters."""
    return lines.one_line(text, lines.UNSEEN)


def _quoted(text: str) -> str:
    return '"' + _harmless(text.strip()).replace('"', "'") + '"'


def _harmless(text: str) -> str:
    """With a space where it would read like the line that holds an answer."""
    return _ANSWER.sub(r"\1 ", text)
