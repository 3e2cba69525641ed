"""Hashes of files and of plain values. Knows one canonical form of a value: JSON with sorted keys."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from saesteer.errors import InputError


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """The SHA-256 of a file in hex, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """The SHA-256 of a plain value, the same for equal values in any order of keys."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return sha256_bytes(text.encode())


def plain(value: Any) -> Any:
    """`value` as JSON holds it: dataclasses, tuples, paths and numpy numbers turned; InputError else."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float | np.floating):
        return _finite(float(value))
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, PurePath):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    raise InputError(f"a {type(value).__name__} cannot be recorded; give numbers, text, lists or mappings")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise InputError(f"JSON holds no {value}; record None instead")
    return value


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise InputError(f"the keys of a recorded mapping are text, got {key!r}; use str")
    return key
