"""One stage of work as a folder: finished and reused, or unfinished and resumed; never edited once finished.

A finished stage is `<root>/<name>-<key>`; the key hashes inputs, config and seed: other config, other folder.
Unfinished work lies in `<root>/.<name>-<key>.partial` and is handed to the next attempt.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from saesteer.errors import CorruptFile, InputError
from saesteer.runs.lock import alone
from saesteer.runs.manifest import NAME, Manifest, request_key, sweep_temporaries
from saesteer.runs.writing import clear_errors

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_stage(
    root: str | Path,
    name: str,
    work: Callable[[Path], None],
    *,
    inputs: Mapping[str, str],
    config: Any = None,
    seed: int | None = None,
    revision: int = 1,
    verify: bool = True,
) -> Path:
    """The folder of the finished stage; `work(folder)` runs only where no equal request was finished before.

    `work` may find files of an earlier attempt in its folder and go on from them. `verify` compares the
    checksums of a reused stage; CorruptFile where they differ.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"a stage's name is letters, digits, '.', '_' and '-', got {name!r}; rename it")
    key = request_key(name, revision, inputs, config, seed)
    folder = Path(root) / f"{name}-{key[:12]}"
    with clear_errors(folder):
        Path(root).mkdir(parents=True, exist_ok=True)
    with alone(Path(root) / f".{folder.name}.lock", folder):
        if folder.exists():
            return _reuse(folder, key, verify)
        partial = Path(root) / f".{folder.name}.partial"
        with clear_errors(folder):
            partial.mkdir(exist_ok=True)
        work(partial)
        sweep_temporaries(partial)
        Manifest.of(partial, name, revision, inputs, config, seed).save(partial)
        with clear_errors(folder):
            os.replace(partial, folder)
    return folder


def forget(folder: str | Path) -> None:
    """Delete a finished stage, so that the next call makes it anew."""
    if not (Path(folder) / NAME).is_file():
        raise InputError(f"{folder} is no finished stage (no {NAME} in it); nothing was deleted")
    shutil.rmtree(folder)


def _reuse(folder: Path, key: str, verify: bool) -> Path:
    manifest = Manifest.load(folder)
    if manifest.key != key:
        raise CorruptFile(f"{folder / NAME} is of another request; delete the folder to make it anew")
    if verify:
        manifest.check(folder)
    return folder
