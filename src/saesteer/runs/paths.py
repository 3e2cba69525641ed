"""Paths that came from outside stay inside a root. Knows links, not what the files are for."""

from __future__ import annotations

from pathlib import Path

from saesteer.errors import InputError


def contained(root: str | Path, path: str | Path) -> Path:
    """`path`, taken from `root`, with links followed; InputError where that leaves `root`."""
    if "\0" in str(path):
        raise InputError(f"the path {str(path)!r} holds a NUL byte; give a plain path")
    base = Path(root).resolve()
    try:
        full = (base / path).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise InputError(f"the path {str(path)!r} cannot be followed ({error}); give a plain path") from error
    if not full.is_relative_to(base):
        raise InputError(f"the path {str(path)!r} leads out of {base}; give a path below it")
    return full
