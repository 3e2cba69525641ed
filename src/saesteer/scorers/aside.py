"""Heavy computing out of the event loop, one piece after the other, so that answers of clients still come in.

Each kind of work has a thread of its own: what waits for its turn holds none of those in which files are
written and records are read. Knows no scorer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Aside:
    """One thread; what is cancelled before its turn is not begun."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, f"saesteer-{name}")

    async def __call__(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `work` gives."""
        return await asyncio.wrap_future(self._thread.submit(work, *args, **kwargs))


MODELS: Final = Aside("models")
"""Models compute for one scorer at a time: one that is being steered is no plain one for another."""
EMBEDDERS: Final = Aside("embedders")
