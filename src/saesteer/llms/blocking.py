"""Asynchronous work as an ordinary call, also inside a running event loop such as a notebook's.

All of it runs in one loop in a thread of its own, so that a client whose connections belong to a loop can be
used by one call after the other. Ctrl-C cancels the work, waits until it has ended, and is raised then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar

from saesteer.errors import SaesteerError

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, once it is done."""
    loop = _loop()
    if asyncio._get_running_loop() is loop:
        work.close()
        raise SaesteerError(
            "this call would wait for the loop that it was made in; await the work itself instead"
        )
    errand = _Errand(work)
    try:  # Ctrl-C may come before the call that starts it has returned
        loop.call_soon_threadsafe(errand.start, loop)
        errand.ended.wait()
    except BaseException:  # Ctrl-C; a second one waits no longer
        loop.call_soon_threadsafe(errand.cancel)
        errand.ended.wait()
        raise
    return errand.result()


class _Errand(Generic[T]):
    """One piece of work in the loop's thread, and the caller's view of it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work, self.ended = work, threading.Event()
        self._task: asyncio.Task[T] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._work)
        self._task.add_done_callback(lambda _: self.ended.set())

    def cancel(self) -> None:
        """End the work; what was not started never will be."""
        if self._task is None:
            self._work.close()
            self.ended.set()
        else:
            self._task.cancel()

    def result(self) -> T:
        assert self._task is not None
        try:
            return self._task.result()
        except asyncio.CancelledError as error:
            raise SaesteerError("the work was cancelled from inside; start it again") from error


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=_turn, args=(loop,), name="saesteer", daemon=True).start()
    return loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        with suppress(KeyboardInterrupt, SystemExit):  # of a process; its task carries it to the caller
            loop.run_forever()
