"""Windows as language models are shown them: tokens between marks, levels beside tokens. Knows no prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

OPEN: Final = "<<"
CLOSE: Final = ">>"


def marked(tokens: Sequence[str], flags: Sequence[bool]) -> str:
    """The text, each run of flagged tokens between marks; spaces before a run stay outside.

    Marks that stand in the text itself are doubled in width (`<<` becomes `< <`), so that they mark nothing.
    """
    found: list[str] = []
    inside = False
    for token, flag in zip(tokens, flags, strict=True):
        token = token.replace(OPEN, "< <").replace(CLOSE, "> >")
        if flag and not inside:
            bare = token.lstrip(" ")
            found += [token[: len(token) - len(bare)], OPEN, bare]
        else:
            found += [CLOSE, token] if inside and not flag else [token]
        inside = flag
    return "".join([*found, CLOSE] if inside else found)


def levelled(tokens: Sequence[str], levels: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """The tokens that have a level above 0, in their order, with it."""
    return tuple((token, int(level)) for token, level in zip(tokens, levels, strict=True) if level > 0)
