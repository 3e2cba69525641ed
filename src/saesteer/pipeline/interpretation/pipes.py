"""Items through pipes, many at once: what a pipe gives is what the next one is given. Knows no latent.

    Pipeline(ids, Pipe(loader.record), Pipe(explainer.explain, after=print), parallel=16)

A pipe of several processes gives each of them the same item and passes on the tuple of what they give; a pipe
is itself a process, so that each of several may have callbacks of its own. All of it sync or async.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from saesteer.errors import InputError, SaesteerError
from saesteer.examples import Failure, Skipped
from saesteer.pipeline.interpretation.failing import failure_of

Process = Callable[[Any], Any]
"""Item -> result, or an awaitable of it."""
_END: Final = object()


class Pipe:
    """One process, or several on the same item; `before(item)` and `after(result)` only look on."""

    def __init__(
        self, process: Process, *more: Process, before: Process | None = None, after: Process | None = None
    ) -> None:
        self._processes = (process, *more)
        self._before, self._after = before, after

    async def __call__(self, item: Any) -> Any:
        """What the process gives; of several, a tuple in their order."""
        if self._before is not None:
            await _called(self._before, item)
        if len(self._processes) == 1:
            found = await _called(self._processes[0], item)
        else:
            found = await _together([_called(each, item) for each in self._processes])
        if self._after is not None:
            await _called(self._after, found)
        return found


@dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    item: Any
    value: Any = None
    """What the last pipe gave."""
    failure: Failure | None = None
    """Why there is none; the other items went on."""


class Pipeline:
    """Items, taken one by one as places become free, through pipes; an exception stops its own item alone."""

    def __init__(self, items: Iterable[Any], *pipes: Pipe | Process, parallel: int = 8) -> None:
        """`parallel`: so many items are under way at once, and no more are taken from `items`."""
        if parallel < 1:
            raise InputError(f"parallel is 1 or more items at once, got {parallel}")
        self._items, self._pipes, self._parallel = items, pipes, parallel

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """The outcomes as they come. Whoever stops early has the rest cancelled by `aclose`."""
        waiting = iter(self._items)
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while self._fill(running, waiting):
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    outcome = each.result()
                    running.remove(each)
                    yield outcome
        finally:
            await _cancelled(running)

    async def run(self) -> list[Outcome]:
        """All outcomes, as they came."""
        return [each async for each in self]

    def _fill(self, running: set[asyncio.Task[Outcome]], waiting: Iterator[Any]) -> bool:
        while len(running) < self._parallel and (item := next(waiting, _END)) is not _END:
            running.add(asyncio.create_task(self._through(item)))
        return bool(running)

    async def _through(self, item: Any) -> Outcome:
        value = item
        try:
            for pipe in self._pipes:
                value = await _called(pipe, value)
                if isinstance(value, Skipped):  # there is nothing for the next pipe
                    return Outcome(item, failure=Failure(value.kind, value.message))
        except BaseException as error:
            return Outcome(item, failure=failure_of(error))
        return Outcome(item, value)


async def _called(process: Process, item: Any) -> Any:
    try:
        found = process(item)
        return await found if inspect.isawaitable(found) else found
    except SystemExit as error:  # it would end the loop, and every item with it
        raise SaesteerError(f"the process wanted to leave with {error.code}; mend it") from error


async def _together(awaitables: list[Any]) -> tuple[Any, ...]:
    """All of them; where one fails the others are cancelled, and nothing runs on unseen."""
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    try:
        return tuple(await asyncio.gather(*tasks))
    except BaseException:
        await _cancelled(set(tasks))
        raise


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    for each in tasks:
        each.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
