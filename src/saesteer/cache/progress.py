"""How far a cache is. Knows the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """What is done, of how much."""

    stage: Literal["reading", "merging"]
    tokens: int
    """Read so far, by earlier attempts too."""
    of: int | None
    """How many will be read at most; None where nobody knows."""
    bytes: int
    """Written so far."""
    seconds: float
    """Since this attempt began."""
    rate: float
    """Tokens per second of this attempt; 0 before the first."""

    @property
    def left(self) -> float | None:
        """Seconds until all tokens are read; None where nobody knows."""
        if self.of is None or not self.rate:
            return None
        return max(0, self.of - self.tokens) / self.rate


@dataclass
class Clock:
    """Counts, and tells whoever wants to know."""

    tell: Callable[[Progress], None] | None
    of: int | None
    tokens: int = 0
    bytes: int = 0
    resumed: int = 0
    """Tokens that an earlier attempt read."""
    began: float = field(default_factory=time.monotonic)

    def resume(self, tokens: int) -> None:
        """An earlier attempt read so many."""
        self.tokens = self.resumed = tokens

    def merged(self, written: int) -> None:
        """So many more bytes of the final files."""
        self.note("merging", written=written)

    def note(self, stage: Literal["reading", "merging"], tokens: int = 0, written: int = 0) -> None:
        """So much more is done."""
        self.tokens += tokens
        self.bytes += written
        if self.tell is None:
            return
        seconds = time.monotonic() - self.began
        new = self.tokens - self.resumed
        rate = new / seconds if new and seconds else 0.0
        self.tell(Progress(stage, self.tokens, self.of, self.bytes, seconds, rate))
