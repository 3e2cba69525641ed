"""How far explaining and scoring are: latents, failures, tokens, money, time left. Knows the clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from saesteer.examples import Explanation, Score
from saesteer.llms.client import NOTHING, Usage

_UNITS: Final = ((3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Progress:
    """What this call has done so far."""

    latents: int
    """Finished, those that earlier calls had finished among them."""
    of: int
    failures: Mapping[str, int]
    """Kind -> count."""
    usage: Usage
    left: float | None
    """Seconds; None where nobody knows yet."""

    def line(self) -> str:
        """explaining and scoring: 3 failures · 12,345 tokens · 0.0123 · 2 min left"""
        parts = [f"{sum(self.failures.values()):,} failures"] if self.failures else []
        if tokens := self.usage.prompt_tokens + self.usage.completion_tokens:
            parts.append(f"{tokens:,} tokens")
        if self.usage.cost is not None:
            parts.append(f"cost {self.usage.cost:.4f}")
        if self.left is not None:
            parts.append(f"{lasting(self.left)} left")
        return " · ".join(parts)


Tell = Callable[[Progress], None]


@dataclass
class Counts:
    """Counts results as they come, and tells whoever wants to know."""

    of: int
    done: int
    """Latents that need nothing any more."""
    tell: Tell = lambda progress: None
    failures: Counter[str] = field(default_factory=Counter)
    usage: Usage = NOTHING
    _began: float = field(default_factory=time.monotonic)
    _new: int = 0

    def note(self, found: Explanation | Score) -> None:
        """One result more."""
        failed = found.failures if isinstance(found, Score) else [found.failure] if found.failure else []
        self.failures.update(each.kind for each in failed)
        self.usage += found.usage
        self.tell(self.now())

    def finished(self) -> None:
        """One latent more."""
        self.done += 1
        self._new += 1
        self.tell(self.now())

    def now(self) -> Progress:
        spent = time.monotonic() - self._began
        left = spent / self._new * (self.of - self.done) if self._new else None
        return Progress(self.done, self.of, dict(self.failures), self.usage, left)


def lasting(seconds: float) -> str:
    """42 s, 3 min, 2 h."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "0 s"
