"""Text on one line, so that no window and no explanation can pass for the next line of a prompt.

Two tables of signs, each the one that its prompts have always had: by another the same window would be asked
for in other words, and scores of before and after could not be compared. Knows no prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

Signs = Mapping[int, str]

_BREAK: Final = "↵"
BREAKS: Final[Signs] = dict.fromkeys(map(ord, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), _BREAK)
"""Of scorers: whatever ends a line is seen as that; all else stays."""
_UNSEEN: Final = ((0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x202E), (0x2066, 0x2069), (0xD800, 0xDFFF))
_NONE: Final = (0xFFFE, 0xFFFF)
UNSEEN: Final[Signs] = {
    **dict.fromkeys(chain(_NONE, *(range(first, last + 1) for first, last in _UNSEEN)), "\ufffd"),
    **dict.fromkeys(map(ord, "\n\r\u2028\u2029"), _BREAK),
    ord("\t"): " ",
}
"""Of explainers: also what draws nothing, turns a text around, or is half a character."""


def one_line(text: str, signs: Signs = BREAKS) -> str:
    """With the signs in their places; a pair of \\r and \\n is one."""
    return text.replace("\r\n", "\n").translate(signs)
