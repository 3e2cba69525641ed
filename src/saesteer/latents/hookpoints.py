"""Hookpoints by pattern: `layers.*` for the residual after each block. Knows the model's addresses only."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from saesteer.errors import MissingHookpoint
from saesteer.model import LanguageModel

_MARKS: Final = "*?["


def matching(lm: LanguageModel, patterns: str | Sequence[str]) -> tuple[str, ...]:
    """Canonical hookpoints in the order of the patterns, each once; MissingHookpoint where one has none.

    A mark (*, ?, [1-3]) stands for letters within one piece between dots: `layers.*` are the blocks,
    `layers.*.mlp` their MLPs. An address without one may be any that the model knows.
    """
    found: dict[str, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if not any(mark in pattern for mark in _MARKS):
            found[lm.hookpoint(pattern)] = None
            continue
        some = [each for each in lm.hookpoints() if _fits(each, pattern)]
        if not some:
            raise MissingHookpoint(
                f"no hookpoint of {lm.name} matches {pattern!r}; a mark stands within a piece between dots, "
                "as in layers.* or layers.*.mlp"
            )
        found |= dict.fromkeys(some)
    return tuple(found)


def _fits(address: str, pattern: str) -> bool:
    pieces, marks = address.split("."), pattern.split(".")
    return len(pieces) == len(marks) and all(map(fnmatchcase, pieces, marks))
