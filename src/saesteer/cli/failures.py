"""What goes wrong, as one line on stderr and an exit code. Knows the errors, no verb."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

from saesteer.cli.words import one_line, visible
from saesteer.errors import InputError, SaesteerError

FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130  # as shells say it: 128 + SIGINT

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_IMPATIENT: Final = 1.0  # seconds in which a second Ctrl-C would only break the first one's clean-up
_interrupts: list[
    float
] = []  # some code swallows KeyboardInterrupt or wraps it: the signal itself is the witness


def exit_code(run: Callable[[], int], debug: bool = False) -> int:
    """Run; print what went wrong, if anything, as one line; the exit code."""
    try:
        _lenient_streams()
        code = run()
        sys.stdout.flush()  # a full disk shows here, not at exit
        return code
    except BaseException as error:
        code, line = outcome(error)
        if isinstance(error, OSError):
            _drop_stdout()
        if line:
            trace = visible(traceback.format_exc()) if debug else ""
            _say(f"{trace}saesteer: {one_line(line)}")
        return code


def outcome(error: BaseException) -> tuple[int, str]:
    """The exit code of an exception and its line; "" where nothing is to be said."""
    if isinstance(error, KeyboardInterrupt) or _interrupts:
        said = str(error) if isinstance(error, KeyboardInterrupt) else ""
        return INTERRUPTED, said or "interrupted; nothing half-written is left"
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None), ""
    if isinstance(error, SaesteerError):
        return error.exit_code, str(error)
    if isinstance(error, BrokenPipeError):  # the reader, such as head, has seen enough
        return FAILED, ""
    if isinstance(error, OSError) and error.errno in _FULL:
        return FAILED, f"the disk is full{_of_file(error)}, got {error.strerror}; free some space and rerun"
    if isinstance(error, OSError) and error.filename:
        reason = error.strerror or type(error).__name__
        return (
            FAILED,
            f"{str(error.filename)[:200]} cannot be used, got {reason}; check the path and its rights",
        )
    if isinstance(error, MemoryError):
        return FAILED, "out of memory; give fewer or shorter texts, or a smaller model"
    return _parsed(error) or (FAILED, _unexpected(error))


def usage_error(message: str) -> InputError:
    """The error of a command line that cannot be read."""
    return InputError(message)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt and is remembered; afterwards another cannot spoil the exit."""
    _interrupts.clear()
    try:
        before = signal.signal(signal.SIGINT, _interrupt)
    except ValueError:  # not the main thread: whoever owns the process handles its signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if _interrupts else before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    again = bool(_interrupts) and time.monotonic() - _interrupts[-1] < _IMPATIENT
    _interrupts.append(time.monotonic())
    if not again:
        raise KeyboardInterrupt


def _parsed(error: BaseException) -> tuple[int, str] | None:
    """What the parser of the command line says: Exit of --help, or a usage error."""
    typer: Any = sys.modules.get("typer")
    if typer is None:
        return None
    if isinstance(error, typer.Exit):
        return int(error.exit_code), ""
    usage = typer.BadParameter.__mro__[1]  # UsageError, which typer does not name
    if not isinstance(error, usage):
        return None
    message: str = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    where = f"; see {context.command_path} --help" if context else ""
    return BAD_INPUT, message[:1].lower() + message[1:] + where


def _unexpected(error: BaseException) -> str:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"unexpected error, got {what}; run with --debug for the traceback"


def _of_file(error: OSError) -> str:
    return f", {error.filename} was not written" if error.filename else ""


def _lenient_streams() -> None:
    """Characters that a stream's encoding lacks are spelled out instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    with suppress(OSError):  # stderr may be gone or full as well
        print(text, file=sys.stderr, flush=True)


def _drop_stdout() -> None:
    """Nothing more can be written: what is buffered would fail again at exit."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
