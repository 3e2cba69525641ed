"""Any cache, also one in memory, as a finished folder of our own form. Knows files; no model.

The folder is that of `cache_latents`: whole or not there, a manifest with checksums, opened by open_cache.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer.cache.cache import LatentCache, LatentTable
from saesteer.cache.merge import DOCUMENTS
from saesteer.cache.npy import write_array
from saesteer.cache.opening import ENTRIES, INDEX, ROWS, STAGE, STRINGS, open_cache
from saesteer.cache.single_token import single_token
from saesteer.cache.statistics import EDGES, NAMES
from saesteer.errors import InputError
from saesteer.runs import Manifest, digest, run_stage, write_bytes, write_json

_PIECE: Final = 1 << 20  # numbers that are hashed at once
_KINDS: Final = {name: np.int64 for name in ("indptr", "starts", "documents", "offsets")}


def save_cache(cache: LatentCache, root: str | Path) -> LatentCache:
    """The same cache, opened from a folder of its own below `root`; an equal one is found again."""
    arrays, about = _arrays(cache), _about(cache)
    texts = _documents(cache)
    sha = sha256(texts + digest([about, cache.strings, sorted(cache.tokens.special_ids)]).encode())
    for name, array in arrays.items():
        sha.update(f"{name} {array.dtype} {array.shape}\n".encode())
        for at in range(0, len(array), _PIECE):
            sha.update(np.ascontiguousarray(array[at : at + _PIECE]).reshape(-1).view(np.uint8).data)

    def work(folder: Path) -> None:
        files = {name: asdict(write_array(folder / name, array)) for name, array in arrays.items()}
        write_bytes(folder / DOCUMENTS, texts)
        write_json(folder / STRINGS, list(cache.strings))
        write_json(folder / INDEX, about | {"files": files})

    return open_cache(run_stage(root, STAGE, work, inputs={"cache": sha.hexdigest()}, verify=False))


def _arrays(cache: LatentCache) -> dict[str, np.ndarray]:
    """Name of its file -> array; mapped ones are read once, and so checked."""
    places = cache.tokens
    found = {
        f"tokens/{name}.npy": _as_kept(name, getattr(places, name)) for name in ROWS if _has(cache, name)
    }
    for part, table in enumerate(cache.tables.values()):
        _check(table, len(places))
        held = {name: getattr(table, name) for name in ENTRIES}
        held |= {name: getattr(table.statistics, name) for name in NAMES}
        if places.known:
            held["single"] = _single(np.asarray(places.ids), table)
        found |= {f"saes/{part}/{name}.npy": _as_kept(name, each) for name, each in held.items()}
    return found


def _single(ids: np.ndarray, table: LatentTable) -> np.ndarray:
    if table.single is not None:
        return table.single
    return single_token(ids, np.asarray(table.indptr), table.tokens, table.values)


def _has(cache: LatentCache, name: str) -> bool:
    return name != "ids" or cache.tokens.known


def _as_kept(name: str, array: np.ndarray) -> np.ndarray:
    return np.asarray(array, _KINDS.get(name))


def _check(table: LatentTable, tokens: int) -> None:
    """InputError where the parts of a table do not belong together."""
    sizes = {len(table.tokens), len(table.values), int(table.indptr[-1])}
    if len(sizes) > 1 or int(table.indptr[0]) or (np.diff(table.indptr) < 0).any():
        raise InputError(f"the entries of {table.name} and their pointers do not belong together; mend them")
    if len(table.tokens) and int(np.max(table.tokens)) >= tokens:
        raise InputError(f"{table.name} has entries beyond the {tokens} tokens of the cache; mend it")
    if not np.array_equal(table.statistics.edges, EDGES):
        raise InputError(f"the histograms of {table.name} have other edges; make them by statistics_of")


def _about(cache: LatentCache) -> dict[str, Any]:
    """All of the index but the forms of the arrays."""
    content = {table.statistics.tokens for table in cache.tables.values()}
    if len(content) != 1:
        raise InputError(f"SAEs of a cache count the same tokens, got {sorted(content)}; save each apart")
    saes = [
        {"name": name, "hookpoint": table.hookpoint, "part": str(part), "about": dict(table.about)}
        for part, (name, table) in enumerate(cache.tables.items())
    ]
    about = {name: each for name, each in cache.about.items() if name != "folder"}
    documents = int(np.max(cache.tokens.documents, initial=-1)) + 1
    return {
        "about": {"tokens": len(cache.tokens), "documents": documents} | about,
        "content": content.pop(),
        "special_ids": sorted(cache.tokens.special_ids),
        "saes": saes,
    }


def _documents(cache: LatentCache) -> bytes:
    """What is known of the documents: the lines of the folder that it was opened from, else numbers."""
    folder = cache.about.get("folder")
    if folder is not None:
        Manifest.load(folder).check(folder)
        return (Path(folder) / DOCUMENTS).read_bytes()
    count = int(np.max(cache.tokens.documents, initial=-1)) + 1
    lines = ({"document": each, "id": str(each), "label": None} for each in range(count))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
