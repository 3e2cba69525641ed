"""Texts from outside, made harmless for a terminal: no colour, no cursor, no hidden direction."""

from __future__ import annotations

import re
from typing import Final

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HIDDEN: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    """`text` with control characters as pictures, hidden and broken ones replaced; not tab and newline."""
    return _HIDDEN.sub("\ufffd", _CONTROL.sub(_picture, text))


def one_line(text: str) -> str:
    """`text`, visible, with every run of white space as one space."""
    return " ".join(visible(text).split())


def shown_token(text: str) -> str:
    """A token on its own: its white space shows."""
    plain = visible(text.replace("\r", "␍").replace("\n", "↵").replace("\t", "⇥"))
    return re.sub("^ ", "·", plain) or "∅"


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
