"""A cache written in the folder layout of sae-auto-interp (today Delphi), as `reference` reads it.

Knows files and arrays; no model.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.numpy
from jaxtyping import Int

from saesteer.cache.cache import LatentCache, LatentTable, TokenTable
from saesteer.cache.reference import CONFIG, FOLDER, LENGTH, OURS
from saesteer.errors import InputError
from saesteer.runs import atomic, contained, write_json

_SPLITS: Final = 5


def write_reference(cache: LatentCache, folder: str | Path, splits: int | None = None) -> Path:
    """Every table of the cache in the reference's layout below `folder`/latents.

    `splits`: how many files for each SAE; None: the files of which it was read, else 5. Activations become
    float16; InputError where one would become infinite. Rows are padded to the longest with token 0; the
    files of a cache without token ids have no `tokens`.
    """
    lengths = np.diff(cache.tokens.starts)
    shape = (len(lengths), int(lengths.max(initial=0)))
    ids = _padded(cache.tokens, shape) if cache.tokens.known else None
    root = Path(folder) / FOLDER
    for name, table in cache.tables.items():
        home = contained(root, name)
        for first, last in _ranges(table, splits):
            _write_split(home / f"{first}_{last}.safetensors", cache.tokens, table, first, last, ids)
        write_json(home / CONFIG, _settings(cache, table, shape, len(_ranges(table, splits))))
    return root


def _padded(tokens: TokenTable, shape: tuple[int, int]) -> Int[np.ndarray, "rows ctx"]:
    ids = np.zeros(shape, np.int64)
    ids[np.arange(shape[1]) < np.diff(tokens.starts)[:, None]] = tokens.ids[:]
    return ids


def _ranges(table: LatentTable, splits: int | None) -> list[tuple[int, int]]:
    known = table.about.get("reference", {}).get("ranges")
    if splits is None and known is not None:
        return [(first, last) for first, last in known]
    splits = min(_SPLITS, table.d_sae) if splits is None else splits
    if not 1 <= splits <= table.d_sae:
        raise InputError(f"{table.name} has {table.d_sae} latents, got splits {splits}; give 1 to that many")
    ends = [number * table.d_sae // splits for number in range(splits + 1)]
    return [(first, stop - 1) for first, stop in pairwise(ends)]


def _write_split(
    path: Path, tokens: TokenTable, table: LatentTable, first: int, last: int, ids: np.ndarray | None
) -> None:
    """Entries in the order of their tokens, and of their latents at one token."""
    part = slice(int(table.indptr[first]), int(table.indptr[last + 1]))
    token = np.asarray(table.tokens[part], np.int64)
    latent = np.repeat(np.arange(last - first + 1), np.diff(table.indptr[first : last + 2]))
    order = np.argsort(token, kind="stable")
    with np.errstate(over="ignore"):
        values = np.asarray(table.values[part])[order].astype(np.float16)
    if not np.isfinite(values).all():
        raise InputError(f"an activation of {table.name} is too large for float16, which this layout has")
    row = tokens.row_of(token)
    where = np.stack([row, token - np.asarray(tokens.starts)[row], latent], 1)[order]
    kind = np.uint16 if where.max(initial=0) < 2**16 else np.uint32
    tensors = {"locations": np.ascontiguousarray(where, kind), "activations": values}
    tensors |= {} if ids is None else {"tokens": ids}
    with atomic(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary)


def _settings(cache: LatentCache, table: LatentTable, shape: tuple[int, ...], splits: int) -> dict[str, Any]:
    """Their settings where they were read; else what they read of them, and what unequal rows need."""
    lengths = np.diff(cache.tokens.starts)
    found = dict(table.about.get("reference", {}).get("config", {})) or {
        "model_name": cache.about.get("model", ""),
        "batch_size": 1,
        LENGTH: shape[1],
        "n_tokens": shape[0] * shape[1],
        "n_splits": splits,
    }
    if (lengths != shape[1]).any() or cache.tokens.special_ids:
        fields = ("documents", "offsets")
        found[OURS] = {
            "lengths": lengths,
            "special_ids": sorted(cache.tokens.special_ids),
            **{name: np.asarray(getattr(cache.tokens, name)) for name in fields},
        }
    return found
