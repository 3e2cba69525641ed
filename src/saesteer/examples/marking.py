"""Windows as language models are shown them: tokens between marks, levels beside tokens. Knows no prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

OPEN: Final = "<<"
CLOSE: Final = ">>"
_DOUBLE: Final = re.compile("<(?=<)|>(?=>)")


def marked(tokens: Sequence[str], flags: Sequence[bool]) -> str:
    """The text, each run of flagged tokens between marks; spaces before a run stay outside.

    Marks that stand in the text itself are doubled in width (`<<` becomes `< <`), also where two tokens make
    one together or touch one of ours, so that they mark nothing.
    """
    parts = [""]  # outside, inside, outside, ...
    for token, flag in zip(tokens, flags, strict=True):
        if flag and len(parts) % 2:
            bare = token.lstrip(" ")
            parts[-1] += token[: len(token) - len(bare)]
            parts.append(bare)
        elif not flag and not len(parts) % 2:
            parts.append(token)
        else:
            parts[-1] += token
    return "".join(
        f"{OPEN}{_wide(part, OPEN[0], CLOSE[0])}{CLOSE}" if i % 2 else _wide(part, CLOSE[0], OPEN[0])
        for i, part in enumerate(parts)
    )


def _wide(text: str, first: str, last: str) -> str:
    """Without marks, nor halves of one at its ends, which marks of ours may touch."""
    text = _DOUBLE.sub(r"\g<0> ", text)
    return f"{' ' * text.startswith(first)}{text}{' ' * text.endswith(last)}"


def levelled(tokens: Sequence[str], levels: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """The tokens that have a level above 0, in their order, with it."""
    return tuple((token, int(level)) for token, level in zip(tokens, levels, strict=True) if level > 0)
