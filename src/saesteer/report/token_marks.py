"""Tokens as HTML, shaded by what a latent does there, every text escaped. Knows windows, no page."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

from saesteer.examples import Example
from saesteer.report import words

LONGEST: Final = 80
"""Letters of one token that are shown."""


def marked_tokens(example: Example, largest: float) -> Markup:
    """A window's text without the space before it; active tokens are shaded by their share of `largest`."""
    pieces = [
        _piece(token, float(value), largest, example.start + place)
        for place, (token, value) in enumerate(zip(example.tokens, example.activations, strict=True))
    ]
    return Markup("".join(pieces).removeprefix(" "))


def drawn(token: str) -> str:
    """A token so that everything in it is seen, the end cut off where it is very long."""
    text = words.exact(token.replace("\r\n", "\n").replace("\n", "↵").replace("\t", "⇥"))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(token):,} letters)"


def _piece(token: str, value: float, largest: float, place: int) -> str:
    space, shown, named = _parts(token)
    if value <= 0:
        return space + shown
    share = min(100, max(8, round(100 * value / largest))) if largest > 0 else 8
    title = f"{named}  {value:.4g}  token {place:,}"
    return f'{space}<mark style="--a:{share}%" title="{title}">{shown or "∅"}</mark>'


@lru_cache(maxsize=1 << 16)
def _parts(token: str) -> tuple[str, str, str]:
    """Spaces before it, the rest, and what titles call it, the latter two escaped."""
    text = drawn(token)
    body = text.lstrip(" ")
    return text[: len(text) - len(body)], str(escape(body)), str(escape(words.bare_token(text)))
