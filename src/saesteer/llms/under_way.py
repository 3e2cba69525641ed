"""Questions that are out: who asks the same meanwhile waits for that answer. Knows no client, no disk.

Over all loops and threads of the process. A failure is shared as well: it has just been tried again as often
as that helps. Where the first was cancelled, or raised something that is no ClientError, another asks.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from typing import Final

from saesteer.llms.client import ONE, ClientError, Reply

_Answer = Reply | ClientError | None
_OUT: Final[dict[Hashable, Future[_Answer]]] = {}
_LOCK: Final = threading.Lock()


async def once(name: Hashable, ask: Callable[[], Awaitable[Reply]]) -> tuple[Reply, bool]:
    """The reply, and whether it was asked for here; the ClientError that came instead is raised to all."""
    while True:
        with _LOCK:
            answer = _OUT.get(name)
            mine = answer is None
            if answer is None:
                answer = _OUT[name] = Future()
                answer.set_running_or_notify_cancel()  # so that whoever waits cannot cancel it
        if mine:
            return await _asked(name, ask, answer), True
        found = await asyncio.wrap_future(answer)
        if isinstance(found, Reply):
            return found, False
        if found is not None:
            raise _told(found)


async def _asked(name: Hashable, ask: Callable[[], Awaitable[Reply]], answer: Future[_Answer]) -> Reply:
    found: _Answer = None
    try:
        found = reply = await ask()
        return reply
    except ClientError as error:
        found = _told(error)
        raise
    finally:
        with _LOCK:
            del _OUT[name]
        answer.set_result(found)


def _told(error: ClientError) -> ClientError:
    """The same to somebody else, who has spent nothing on it."""
    other = copy.copy(error)
    other.usage = ONE
    return other.with_traceback(None)
