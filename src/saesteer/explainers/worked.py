"""Three latents that we invented, with windows that we wrote, as answers are shown to a language model.

They stand in prompts/worked_examples.md; a marked word has its level behind a colon: <<word:9>>.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from saesteer.examples import LEVELS, Example, LatentId, LatentRecord
from saesteer.explainers.templates import source

FILE: Final = "worked_examples"
_WORD: Final = re.compile(r"(\s*)(?:<<([^:>]+):(\d+)>>|([^\s<]+))")


@dataclass(frozen=True, eq=False)
class Worked:
    """A latent and what is to be said of it."""

    record: LatentRecord
    reasoning: str
    explanation: str


@cache
def worked_examples() -> tuple[Worked, ...]:
    """In the order of the file."""
    parts = re.split(r"^# .*$", source(FILE), flags=re.M)[1:]
    return tuple(_worked(number, part) for number, part in enumerate(parts))


def _worked(number: int, part: str) -> Worked:
    pieces = re.split(r"^## (\w+)$", part, flags=re.M)
    sections = dict(zip(pieces[1::2], (each.strip() for each in pieces[2::2]), strict=True))
    record = LatentRecord(
        LatentId("worked", number),
        train=_windows(sections["Active"], "active"),
        test=(),
        silent_train=_windows(sections["Silent"], "random"),
        max=float(LEVELS),
    )
    return Worked(record, sections["Reasoning"], sections["Explanation"])


def _windows(section: str, kind: str) -> tuple[Example, ...]:
    lines = [line.removeprefix("- ") for line in section.splitlines()]
    return tuple(_example(line, row, kind) for row, line in enumerate(lines))


def _example(line: str, row: int, kind: str) -> Example:
    words = [match.groups() for match in _WORD.finditer(line)]
    tokens = tuple(space + (marked or plain) for space, marked, _, plain in words)
    levels = np.array([float(level or 0) for _, _, level, _ in words], dtype=np.float32)
    return Example(np.arange(len(tokens)), tokens, levels, 0, row, kind=kind)  # type: ignore[arg-type]
