"""Files that appear whole or not at all: a temporary file beside the target, synced, then renamed over it.

Knows bytes, text, JSON and Parquet. A full disk, an exception or Ctrl-C leaves what stood there before.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.errors import SaesteerError
from saesteer.runs.checksums import plain

if TYPE_CHECKING:
    import pyarrow

TEMPORARY = ".saesteer-tmp"  # the ending of a file that was never finished; safe to delete when nothing runs


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to; it becomes `path` when the block ends well and vanishes else."""
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}{TEMPORARY}")
    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with clear_errors(path):
            yield temporary
            _usual_rights(temporary)
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    except BaseException:  # Ctrl-C too: nothing half-written stays
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_files(folder: str | Path) -> Iterator[Path]:
    """A temporary folder to write files to; they take their places in `folder`, one right after the other,
    when the block ends well, and vanish else: the files of two runs are not mixed.
    """
    folder = Path(folder)
    temporary = folder / f".{secrets.token_hex(6)}{TEMPORARY}"
    with clear_errors(folder):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with clear_errors(folder):
            for each in sorted(temporary.iterdir()):
                _usual_rights(each)
                os.replace(each, folder / each.name)
            _sync(folder)
    finally:  # Ctrl-C too
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with plain newlines, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value`, anything that `plain` takes, as JSON, whole or not at all."""
    write_text(path, json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_parquet(path: str | Path, rows: pyarrow.Table | Sequence[Mapping[str, Any]]) -> None:
    """Write a table, or rows with the same fields, as Parquet, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    with atomic(path) as temporary:
        parquet.write_table(table, temporary)


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SaesteerError(
                f"the disk is full, {path} was not written; free some space and rerun"
            ) from error
        reason = error.strerror or str(error)
        raise SaesteerError(f"{path} was not written ({reason}); check the folder and its rights") from error


def _usual_rights(path: Path) -> None:
    """Those of any new file here; safetensors writes files that only their owner may read."""
    if path.is_file() and not path.stat().st_mode & 0o077:
        probe = path.with_name(f".{secrets.token_hex(6)}{TEMPORARY}")
        probe.touch()
        path.chmod(probe.stat().st_mode)
        probe.unlink()


def _sync(path: Path) -> None:
    """Bring a file or folder to the disk itself; folders cannot be synced everywhere."""
    folder = path.is_dir()
    handle = os.open(path, os.O_RDONLY if folder or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder or error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise
    finally:
        os.close(handle)
