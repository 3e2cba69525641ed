"""A finished cache opened: files mapped, their forms checked at once, their blocks when they are touched.

Knows files and their index; no model.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import numpy as np

from saesteer.cache.cache import LatentCache, LatentTable, Statistics, TokenTable
from saesteer.cache.no_tokens import NoTokens
from saesteer.cache.npy import BLOCK, Checked, Stored, check_blocks, mapped
from saesteer.cache.statistics import EDGES, NAMES
from saesteer.errors import CorruptFile, InputError
from saesteer.runs import Manifest, contained, read_json, sha256_file

Check = Literal["lazy", "all", "none"]
STAGE: Final = "cache"
INDEX: Final = "cache.json"
STRINGS: Final = "strings.json"
SINGLE: Final = "single.npy"
ROWS: Final = ("ids", "starts", "documents", "offsets")
ENTRIES: Final = ("indptr", "tokens", "values")


def open_cache(folder: str | Path, check: Check = "lazy") -> LatentCache:
    """The cache in a folder.

    `check`: "lazy" compares small files with their hashes now and each block of a large one when it is
    first read; "all" compares everything now; "none" only sizes and forms. CorruptFile names a damaged file.
    """
    if check not in get_args(Check):
        raise InputError(f"check is one of {', '.join(get_args(Check))}, got {check!r}")
    folder = Path(folder)
    manifest = Manifest.load(folder)
    if manifest.stage != STAGE:
        raise InputError(f"{folder} holds {manifest.stage}, not a cache of latents; check the path")
    if check == "all":
        manifest.check(folder)
    files = _Files(folder, manifest, check)
    index = files.json(INDEX)
    try:
        return _cache(files, index)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFile(
            f"{folder / INDEX} is no index of a cache ({error}); make the cache anew"
        ) from error


@dataclass(frozen=True)
class _Files:
    folder: Path
    manifest: Manifest
    check: Check

    def json(self, name: str) -> Any:
        """A small file, compared with its hash first."""
        path = contained(self.folder, name)
        if not path.is_file():
            raise CorruptFile(f"{path} is missing; delete its folder to make it anew")
        if self.check == "lazy" and sha256_file(path) != self.manifest.outputs.get(name):
            raise CorruptFile(f"{path} was changed since it was written; delete its folder to make it anew")
        return read_json(path)

    def array(self, name: str, stored: Stored) -> np.ndarray:
        path = contained(self.folder, name)
        if self.check != "lazy":
            return mapped(path, stored)
        if stored.bytes > BLOCK:
            return cast(np.ndarray, Checked(path, stored))
        array = mapped(path, stored)
        check_blocks(path, stored)
        return array


def _cache(files: _Files, index: Mapping[str, Any]) -> LatentCache:
    stored = {name: Stored.of(each) for name, each in index["files"].items()}

    def load(name: str) -> np.ndarray:
        return files.array(name, stored[name])

    starts, documents, offsets = (load(f"tokens/{name}.npy") for name in ROWS[1:])
    known = f"tokens/{ROWS[0]}.npy" in stored
    ids = load(f"tokens/{ROWS[0]}.npy") if known else NoTokens.of(int(starts[-1]))
    places = TokenTable(ids, starts, documents, offsets, frozenset(index["special_ids"]))
    tables = {each["name"]: _table(load, each, index["content"], stored) for each in index["saes"]}
    about = dict(index["about"]) | {"folder": str(files.folder)}
    return LatentCache(places, tables, tuple(files.json(STRINGS)), about)


def _table(
    load: Callable[[str], np.ndarray], record: Mapping[str, Any], content: int, known: Container[str]
) -> LatentTable:
    part = f"saes/{record['part']}"
    sums = {name: load(f"{part}/{name}.npy") for name in NAMES}
    found = Statistics(**sums, edges=EDGES, tokens=content)
    indptr, tokens, values = (load(f"{part}/{name}.npy") for name in ENTRIES)
    single = load(f"{part}/{SINGLE}") if f"{part}/{SINGLE}" in known else None  # older caches have none
    about = dict(record["about"])
    return LatentTable(record["name"], record["hookpoint"], indptr, tokens, values, found, about, single)
