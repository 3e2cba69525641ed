"""One writer at a time: a lock file that the system frees when its holder dies, however it dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saesteer.errors import SaesteerError
from saesteer.runs.writing import clear_errors


@contextmanager
def alone(lock: Path, what: Path) -> Iterator[None]:
    """Hold `lock`, so that no other process works on `what`; SaesteerError where one does.

    A no-op where the system has no fcntl.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with clear_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SaesteerError(f"another process works on {what}; wait for it") from error
        yield
    finally:
        os.close(handle)
