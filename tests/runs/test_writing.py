"""Files appear whole or not at all: exceptions, Ctrl-C, a full disk, a kill."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from saesteer.errors import InputError, SaesteerError
from saesteer.runs import (
    atomic,
    atomic_files,
    read_json,
    read_parquet,
    write_bytes,
    write_json,
    write_parquet,
    write_text,
)


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path):
    write_bytes(tmp_path / "deep" / "er" / "b", b"\0\xff")
    write_text(tmp_path / "t", "é\n")
    write_json(tmp_path / "j", {"path": tmp_path, "n": np.float32(0.5), "rows": (1, None), "é": True})
    write_parquet(tmp_path / "p", [{"a": 1, "b": "x"}, {"a": 2, "b": None}])
    write_parquet(tmp_path / "q", pa.table({"a": [1.5]}))
    assert (tmp_path / "deep" / "er" / "b").read_bytes() == b"\0\xff"
    assert (tmp_path / "t").read_bytes() == "é\n".encode()
    assert read_json(tmp_path / "j") == {"path": tmp_path.as_posix(), "n": 0.5, "rows": [1, None], "é": True}
    assert read_parquet(tmp_path / "p") == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert read_parquet(tmp_path / "q") == [{"a": 1.5}]
    assert names(tmp_path) == ["deep", "j", "p", "q", "t"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_ends_badly_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "x"
    write_text(target, "good")
    with pytest.raises(error), atomic(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "good"
    assert names(tmp_path) == ["x"]


def test_a_value_that_is_no_json_replaces_nothing(tmp_path):
    write_json(tmp_path / "x", 1)
    with pytest.raises(InputError, match="nan"):
        write_json(tmp_path / "x", {"a": [float("nan")]})
    assert read_json(tmp_path / "x") == 1


def test_a_file_has_the_usual_rights(tmp_path):
    (tmp_path / "plain").write_text("")
    usual = (tmp_path / "plain").stat().st_mode
    write_text(tmp_path / "x", "")
    with atomic(tmp_path / "y") as one, atomic_files(tmp_path / "more") as folder:
        for each in (one, folder / "z"):
            save_file({"a": np.zeros(1)}, each)  # which only its owner may read
            assert each.stat().st_mode != usual
    assert [(tmp_path / each).stat().st_mode for each in ("x", "y", "more/z")] == [usual] * 3


def test_the_target_may_be_a_long_name(tmp_path):
    write_text(tmp_path / ("n" * 250), "x")
    assert names(tmp_path) == ["n" * 250]


def test_a_folder_in_the_way_is_one_clear_line(tmp_path):
    with pytest.raises(SaesteerError, match="was not written"):
        write_text(tmp_path, "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(SaesteerError, match="was not written"):
        write_text(tmp_path / "file" / "x", "x")


@pytest.mark.parametrize("call", ["write_bytes(target, b'x' * size)", "write_parquet(target, table)"])
def test_a_disk_that_takes_no_more_leaves_what_was_there(tmp_path, call):
    write_text(tmp_path / "x", "good")
    code = f"""
import resource, sys, pathlib, numpy, pyarrow
from saesteer.errors import SaesteerError
from saesteer.runs import write_bytes, write_parquet
target, size = pathlib.Path({str(tmp_path / "x")!r}), 1 << 20
table = pyarrow.table({{"a": numpy.random.default_rng(0).random(size // 8)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
try:
    {call}
except SaesteerError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "x was not written" in done.stderr and len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "good"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 19


def test_a_full_disk_is_called_that(tmp_path):
    with pytest.raises(SaesteerError, match="the disk is full"), atomic(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_writer_leaves_what_was_there(tmp_path, kill):
    write_text(tmp_path / "x", "good")
    # A test run in the background hands down an ignored SIGINT.
    code = f"""
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from saesteer.runs import atomic
with atomic({str(tmp_path / "x")!r}) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.05)
        process.send_signal(kill)
    assert process.returncode != 0
    assert (tmp_path / "x").read_text() == "good"
    if kill == signal.SIGINT:
        assert names(tmp_path) == ["x"]


def test_files_take_their_places_together_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_files(tmp_path) as folder:
        (folder / "a").write_text("new")
        raise KeyboardInterrupt
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]
    with atomic_files(tmp_path) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("more")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a": "new", "b": "more"}
