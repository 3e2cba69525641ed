"""Windows in which a latent is silent: what a source of them is asked, and those drawn at random.

Knows a grid, entries, the latent's active windows. Sources that look for hard ones are in other files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool, Int

from saesteer.cache import Entries
from saesteer.examples.grid import Grid
from saesteer.examples.records import LatentId
from saesteer.examples.windows import Windows
from saesteer.names import Registry

_ROUNDS: Final = 4  # of drawing before the silent windows are counted out

SilentKind = Literal["random", "neighbour", "semantic"]


@dataclass(frozen=True)
class Pick:
    """A silent window that was chosen."""

    window: int
    """Its number in the grid."""
    kind: SilentKind = "random"
    similarity: float | None = None


@dataclass(frozen=True, eq=False)
class Sought:
    """What a source of silent windows is asked: `n` windows of the grid at which the latent is silent."""

    id: LatentId
    n: int
    grid: Grid
    entries: Entries
    windows: Windows
    """Where it is active: a silent window shares no token with these."""
    near: Int[np.ndarray, " q"]
    """Windows of the grid, ascending, at the active examples that hard ones should resemble."""
    taken: frozenset[int]
    """Windows that are chosen already."""
    draw: np.random.Generator
    around: Any = field(repr=False)
    """The loader's Surroundings: neighbours, embedded windows."""

    def silent(self, windows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which windows of the grid hold no entry and no token of an active window, and are not taken."""
        starts, stops = self.grid.bounds(windows)
        tokens = self.entries.tokens
        quiet = np.searchsorted(tokens, starts) == np.searchsorted(tokens, stops)
        ended = np.searchsorted(self.windows.stops, starts, side="right")
        apart = ended == np.searchsorted(self.windows.starts, stops)
        return quiet & apart & ~np.isin(windows, list(self.taken)) if self.taken else quiet & apart


Source = Callable[[Sought], list[Pick]]
"""At most `n` different silent windows; fewer where there are no more of its kind."""


def random_windows(sought: Sought) -> list[Pick]:
    """Any silent window, without replacement: drawn from all windows, active ones rejected."""
    found: dict[int, None] = {}
    for _ in range(_ROUNDS if len(sought.grid) > 4 * sought.n else 0):
        drawn = sought.draw.integers(len(sought.grid), size=2 * sought.n)
        found |= dict.fromkeys(drawn[sought.silent(drawn)].tolist())
        if len(found) >= sought.n:
            break
    else:
        everywhere = np.arange(len(sought.grid))
        found |= dict.fromkeys(sought.draw.permutation(everywhere[sought.silent(everywhere)]).tolist())
    return [Pick(each) for each in list(found)[: sought.n]]


NEGATIVES: Registry[Source] = Registry("source of silent windows", {"random": random_windows})
