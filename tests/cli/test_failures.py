"""Every exception becomes an exit code and at most one line."""

import errno
import os
import signal
import time

import pytest

from saesteer.cli import failures
from saesteer.cli.failures import exit_code, interruptible, outcome
from saesteer.errors import InputError, SaesteerError, UnknownName
from tests.cli.tiny import process


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SaesteerError("it broke"), 1, "it broke"),
        (InputError("wrong"), 2, "wrong"),
        (UnknownName.of("pet", "cta", ["cat"]), 2, "unknown pet 'cta'; did you mean 'cat'? known: cat"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "the disk is full, /x/y was not"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "the disk is full, got No space"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "/x/yy"),
            1,
            "/x/yy cannot be used, got File name too long; check the path",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
        (MemoryError(), 1, "out of memory"),
        (ValueError("odd"), 1, "unexpected error, got ValueError: odd; run with --debug"),
        (ZeroDivisionError(), 1, "unexpected error, got ZeroDivisionError; run with --debug"),
        (SystemExit(3), 3, ""),
        (SystemExit("bye"), 1, ""),
        (SystemExit(), 0, ""),
    ],
)
def test_the_outcome_of_an_exception(error, code, line):
    found, said = outcome(error)
    assert found == code
    assert said.startswith(line) and bool(said) == bool(line)


def test_a_message_of_many_lines_and_colours_is_one_plain_line(capsys):
    def fail() -> int:
        raise InputError("a\n\x1b[31mb\r\x9bc \u202ed")

    assert exit_code(fail) == 2
    assert capsys.readouterr().err == "saesteer: a ␛[31mb␍\ufffdc \ufffdd\n"


def test_an_error_from_inside_is_remembered_as_ctrl_c_where_there_was_one(capsys):
    def wrap() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("an import failed") from error
        return 0

    before = signal.getsignal(signal.SIGINT)
    try:
        with interruptible():
            assert exit_code(wrap) == 130
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # the process is about to end
        assert capsys.readouterr().err == "saesteer: interrupted; nothing half-written is left\n"
    finally:
        failures._interrupts.clear()
        signal.signal(signal.SIGINT, before)


def test_an_impatient_second_ctrl_c_does_not_break_the_cleaning_up(capsys):
    cleaned = []

    def work() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(time.monotonic())
        return 0

    before = signal.getsignal(signal.SIGINT)
    try:
        with interruptible():
            assert exit_code(work) == 130
        assert cleaned
    finally:
        failures._interrupts.clear()
        signal.signal(signal.SIGINT, before)


def test_without_ctrl_c_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("line", [["--help"], ["find", "--help"]])
def test_a_full_disk_behind_stdout_is_one_line(line):
    with open("/dev/full", "wb") as full:
        done = process(*line, capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "saesteer: the disk is full, got No space left on device; free some space and rerun\n"
    )


def test_a_reader_that_has_seen_enough_hears_nothing():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = process("--help", capture_output=False, stdout=pipe, stderr=-1)
    assert (done.returncode, done.stderr) == (1, b"")
