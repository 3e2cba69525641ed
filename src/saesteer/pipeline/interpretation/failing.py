"""What went wrong with one latent, as a record that is counted. Knows exceptions, no file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from saesteer.errors import SaesteerError
from saesteer.examples import Failure
from saesteer.llms.client import ClientError

_LONGEST: Final = 500  # characters of a message


class Fatal(SaesteerError):
    """Nothing of the run can go on: results cannot be kept."""


def failure_of(error: BaseException) -> Failure:
    """The failure, its kind the client's own or the name of the exception.

    What is about the whole run and no latent is raised on: Ctrl-C, a task that is cancelled, a full disk.
    """
    if isinstance(error, KeyboardInterrupt | GeneratorExit | Fatal) or _cancelling(error):
        raise error
    kind = error.kind if isinstance(error, ClientError) else type(error).__name__
    return Failure(kind, readable(str(error))[:_LONGEST] or type(error).__name__)


def readable(text: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair in an answer must not stop a run."""
    return text.encode("utf-8", "replace").decode("utf-8")


def counted(kinds: Mapping[str, int]) -> str:
    """rate_limited 3, unparsed 12: the commonest first."""
    ordered = sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{kind} {count}" for kind, count in ordered)


def _cancelling(error: BaseException) -> bool:
    """Whether this task is being cancelled, and not just something that it waited for."""
    task = asyncio.current_task() if isinstance(error, asyncio.CancelledError) else None
    return task is not None and task.cancelling() > 0
