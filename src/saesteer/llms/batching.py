"""Requests that wait at the same time, done together in one worker thread. Knows no model and no request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Abandoned = Callable[[], bool]
"""Whether nobody waits for a batch any more, so that its work may end early."""


class Batcher(Generic[Item, Result]):
    """While one batch is being worked on, what is asked gathers for the next."""

    def __init__(
        self, work: Callable[[Sequence[Item], Abandoned], Sequence[Result | Exception]], most: int
    ) -> None:
        """`work` gives a result or an exception for each item; `most`: items of one batch."""
        self._work = work
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def ask(self, item: Item) -> Result:
        """The result for one item."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if self._runner is None or self._runner.done() or self._runner.get_loop() is not loop:
            self._waiting.clear()  # of a loop that is gone
            self._runner = loop.create_task(self._run())
        self._waiting.append((item, future))
        return await future

    async def close(self) -> None:
        """Give up what waits, and wait for the thread."""
        if self._runner is not None and self._runner.get_loop() is asyncio.get_running_loop():
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self._runner = None
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)
            self._thread = None

    async def _run(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while True:
                await asyncio.sleep(0)  # whoever is about to ask does so first
                batch = self._next()
                if not batch:
                    return
                for (_, future), result in zip(batch, await self._done(batch), strict=True):
                    _settle(future, result)
        finally:
            for _, future in (*batch, *self._waiting):
                future.cancel()
            self._waiting.clear()

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._most:
            entry = self._waiting.popleft()
            if not entry[1].done():  # else it was cancelled while it waited
                batch.append(entry)
        return batch

    async def _done(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> Sequence[Result | Exception]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "saesteer-llm")
        futures = [future for _, future in batch]

        def abandoned() -> bool:
            return all(future.done() for future in futures)

        items = [item for item, _ in batch]
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._work, items, abandoned
            )
        except Exception as error:
            return [error] * len(batch)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
