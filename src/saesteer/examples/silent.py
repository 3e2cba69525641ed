"""Windows in which a latent is silent: what a source of them is asked, and those drawn at random.

Knows a grid, entries, the latent's active windows. Sources that look for hard ones are in other files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Int

from saesteer.cache import Entries
from saesteer.examples.grid import Grid
from saesteer.examples.records import LatentId
from saesteer.examples.surroundings import Surroundings
from saesteer.examples.windows import Windows
from saesteer.names import Registry

_ROUNDS: Final = 4  # of drawing before all silent windows are gone through

SilentKind = Literal["random", "neighbour", "semantic"]


@dataclass(frozen=True, eq=False)
class Picks:
    """Silent windows that were chosen, the first choice first."""

    windows: Int[np.ndarray, " n"]
    """Their numbers in the grid."""
    kinds: tuple[SilentKind, ...]
    similarities: tuple[float | None, ...]

    def __len__(self) -> int:
        return len(self.windows)

    def take(self, which: Int[np.ndarray, " m"]) -> Picks:
        kinds = tuple([self.kinds[each] for each in which.tolist()])
        return Picks(self.windows[which], kinds, tuple([self.similarities[each] for each in which.tolist()]))

    @classmethod
    def of(
        cls,
        windows: Sequence[int],
        kind: SilentKind = "random",
        similarities: Sequence[float | None] | None = None,
    ) -> Picks:
        """All of one kind."""
        n = len(windows)
        return cls(np.array(windows, np.int64), (kind,) * n, tuple(similarities or (None,) * n))


@dataclass(frozen=True, eq=False)
class Sought:
    """What a source of silent windows is asked: `n` windows of the grid at which the latent is silent."""

    id: LatentId
    n: int
    grid: Grid
    entries: Entries
    windows: Windows
    """Where it is active: a silent window shares no token with these."""
    like: tuple[Windows, ...]
    """The examples that hard ones should resemble."""
    draw: np.random.Generator
    around: Surroundings = field(repr=False)

    @cached_property
    def near(self) -> Int[np.ndarray, " q"]:
        """The windows of the grid at the examples."""
        middles = [(each.starts + each.stops) // 2 for each in self.like]
        return self.grid.window_of(np.sort(np.concatenate(middles)))

    def silent(self, windows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which windows of the grid hold no entry and no token of an active window."""
        starts, stops = self.grid.bounds(windows)
        tokens = self.entries.tokens
        quiet = np.searchsorted(tokens, starts) == np.searchsorted(tokens, stops)
        ended = np.searchsorted(self.windows.stops, starts, side="right")
        return quiet & (ended == np.searchsorted(self.windows.starts, stops))

    def fresh(self, windows: Int[np.ndarray, " n"]) -> list[int]:
        """Those that are silent, in their order, each once."""
        return list(dict.fromkeys(windows[self.silent(windows)].tolist()))

    def everywhere(self) -> Int[np.ndarray, " n"]:
        """All windows of the grid that are silent, in one pass over the entries."""
        quiet = np.ones(len(self.grid), bool)
        for tokens in (self.entries.tokens, self.windows.starts, self.windows.stops - 1):
            quiet[self.grid.window_of(tokens)] = False
        return np.flatnonzero(quiet)


Source = Callable[[Sought], Picks]
"""At most `n` different silent windows; fewer where there are no more of its kind."""


def random_windows(sought: Sought) -> Picks:
    """Any silent window, without replacement: drawn from all windows, active ones rejected."""
    found: dict[int, None] = {}
    windows = len(sought.grid)
    silent = max(0, windows - len(sought.windows))
    many = silent > windows // 4 and silent > 4 * sought.n
    for _ in range(_ROUNDS if many else 0):
        size = 8 + sought.n * 5 * windows // (silent * 4)
        found |= dict.fromkeys(sought.fresh(sought.draw.integers(windows, size=size)))
        if len(found) >= sought.n:
            break
    else:
        found |= dict.fromkeys(sought.draw.permutation(sought.everywhere()).tolist())
    return Picks.of(list(found)[: sought.n])


NEGATIVES: Registry[Source] = Registry(
    "source of silent windows",
    {
        "random": random_windows,
        "neighbours": "saesteer.examples.hard:neighbour_windows",
        "semantic": "saesteer.examples.hard:semantic_windows",
        "mixed": "saesteer.examples.hard:mixed_windows",
    },
)
