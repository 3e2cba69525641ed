"""The folder layout of sae-auto-interp (today Delphi): read into a cache, and written from one.

    latents/<hookpoint>/{first}_{last}.safetensors    locations [nnz, 3] (row, position, latent - first;
        uint16 where all fit, else uint32), activations [nnz] float16, tokens [rows, ctx] int64 (optional)
    latents/<hookpoint>/config.json                   settings (optional)

Knows files and arrays; a model only for the texts of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.numpy
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open

from saesteer.cache.cache import LatentCache, LatentTable, TokenTable
from saesteer.cache.statistics import statistics_of
from saesteer.errors import CorruptFile, InputError, UnknownName
from saesteer.latents.reading import token_strings
from saesteer.model import LanguageModel
from saesteer.runs import atomic, contained, read_json, write_json

FOLDER: Final = "latents"
CONFIG: Final = "config.json"
_FILE: Final = re.compile(r"(\d+)_(\d+)\.safetensors")
_SPLITS: Final = 5
_OURS: Final = "saesteer"
"""The key of config.json under which the lengths of unequal rows are kept."""


@dataclass(frozen=True, eq=False)
class _Split:
    """One file: latents `first` to `last`."""

    path: Path
    first: int
    last: int

    def tensor(self, name: str) -> np.ndarray | None:
        """None where the file has no such tensor."""
        try:
            with safe_open(self.path, framework="np") as file:
                found: np.ndarray | None = file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118
                return found
        except (SafetensorError, OSError) as error:
            raise CorruptFile(f"{self.path} is no whole safetensors file ({error}); get it anew") from error

    def entries(self) -> tuple[Int[np.ndarray, "nnz 3"], Float[np.ndarray, " nnz"]]:
        places, values = self.tensor("locations"), self.tensor("activations")
        if places is None or values is None or places.shape != (len(values), 3) or values.ndim != 1:
            raise CorruptFile(f"{self.path} holds no locations [nnz, 3] and activations [nnz]; get it anew")
        places = places.astype(np.int64)
        if len(places) and (places.min() < 0 or places[:, 2].max() > self.last - self.first):
            raise CorruptFile(f"{self.path} names latents beyond {self.last}; its name or content is wrong")
        return places, values


def read_reference(
    folder: str | Path,
    *,
    hookpoints: Sequence[str] | None = None,
    tokens: Int[np.ndarray, "rows ctx"] | None = None,
    lm: LanguageModel | None = None,
    strings: Sequence[str] | None = None,
) -> LatentCache:
    """A cache in memory of the reference's folder (the one that holds `latents`, or that one itself).

    `hookpoints`: those that are wanted, by the names of their folders; None: all. `tokens`: where the files
    hold none. `lm` gives the texts of tokens and its special tokens, whose entries are left out; without it
    every token is content, and `strings` may give the texts.
    """
    root = Path(folder) / FOLDER if (Path(folder) / FOLDER).is_dir() else Path(folder)
    found = _hookpoints(root)
    for name in hookpoints or ():
        if name not in found:
            raise UnknownName.of("hookpoint of the folder", name, found)
    chosen = {name: splits for name, splits in found.items() if hookpoints is None or name in hookpoints}
    configs = {name: _config(root / name) for name in chosen}
    ids = _tokens(chosen, tokens)
    special = frozenset() if lm is None or lm.tokenizer is None else frozenset(lm.tokenizer.all_special_ids)
    ours = next(iter(configs.values())).get(_OURS) or {}
    places = _places(ids, ours, special)
    tables = {name: _table(name, splits, configs[name], places) for name, splits in chosen.items()}
    texts = _strings(lm, strings, int(ids.max(initial=0)) + 1)
    return LatentCache(places, tables, texts, {"folder": str(root), "format": "reference"})


def write_reference(cache: LatentCache, folder: str | Path, splits: int | None = None) -> Path:
    """Every table of the cache in the reference's layout below `folder`/latents.

    `splits`: how many files for each SAE; None: the files of which it was read, else 5. Activations become
    float16; InputError where one would become infinite. Rows are padded to the longest with token 0.
    """
    ids = _padded(cache.tokens)
    root = Path(folder) / FOLDER
    for name, table in cache.tables.items():
        home = contained(root, name)
        for first, last in _ranges(table, splits):
            _write_split(home / f"{first}_{last}.safetensors", cache.tokens, table, first, last, ids)
        write_json(home / CONFIG, _settings(cache, table, ids.shape, len(_ranges(table, splits))))
    return root


def _hookpoints(root: Path) -> dict[str, list[_Split]]:
    """Name of the folder -> its files by their first latent."""
    found: dict[str, list[_Split]] = {}
    for path in sorted(root.rglob("*.safetensors")) if root.is_dir() else ():
        if (match := _FILE.fullmatch(path.name)) is not None:
            contained(root, path.relative_to(root))
            split = _Split(path, int(match[1]), int(match[2]))
            found.setdefault(path.parent.relative_to(root).as_posix(), []).append(split)
    if not found:
        raise InputError(
            f"{root} holds no latents of the reference ({{first}}_{{last}}.safetensors); check it"
        )
    for name, splits in found.items():
        splits.sort(key=lambda each: each.first)
        ends = [0, *(each.last + 1 for each in splits)]
        if [each.first for each in splits] != ends[:-1]:
            raise InputError(f"the files of {root / name} do not follow each other from 0; one is missing")
    return found


def _config(home: Path) -> dict[str, Any]:
    found = read_json(home / CONFIG) if (home / CONFIG).is_file() else {}
    if not isinstance(found, dict):
        raise CorruptFile(f"{home / CONFIG} is no mapping; remove it or get it anew")
    return found


def _tokens(
    chosen: Mapping[str, Sequence[_Split]], given: Int[np.ndarray, "rows ctx"] | None
) -> Int[np.ndarray, "rows ctx"]:
    """The same for all hookpoints: those of the files that hold any, else those that are given."""
    held: np.ndarray | None = None
    for split in (split for splits in chosen.values() for split in splits):
        own = split.tensor("tokens")
        if own is not None and held is not None and not np.array_equal(own, held):
            raise InputError(f"the tokens of {split.path} are not those of the others; read each apart")
        held = own if own is not None else held
    if held is not None and given is not None and not np.array_equal(held, given):
        raise InputError("the files hold other tokens than those that are given; leave tokens out")
    ids = held if held is not None else given
    if ids is None:
        raise InputError(
            "the files hold no tokens, so no latent can be shown in its text; give tokens [rows, ctx]"
        )
    if np.ndim(ids) != 2:
        raise InputError(f"tokens are [rows, ctx], got {list(np.shape(ids))}; give a row per text")
    return np.asarray(ids, np.int64)


def _places(ids: np.ndarray, ours: Mapping[str, Any], special: frozenset[int]) -> TokenTable:
    rows, ctx = ids.shape
    lengths = np.asarray(ours.get("lengths", [ctx] * rows), np.int64)
    if lengths.shape != (rows,) or (lengths < 0).any() or (lengths > ctx).any():
        raise CorruptFile(f"{CONFIG} names lengths of other rows; remove its {_OURS!r}")
    flat = ids[np.arange(ctx) < lengths[:, None]]
    kind = np.min_scalar_type(int(flat.max(initial=0)))
    return TokenTable(
        flat.astype(kind),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.asarray(ours.get("documents", np.arange(rows)), np.int64),
        np.asarray(ours.get("offsets", np.zeros(rows)), np.int64),
        special | frozenset(ours.get("special_ids", ())),
    )


def _table(name: str, splits: Sequence[_Split], config: dict[str, Any], places: TokenTable) -> LatentTable:
    d_sae, counts, parts = splits[-1].last + 1, [], []
    content, lengths = places.content(0, len(places)), np.diff(places.starts)
    for split in splits:
        where, values = split.entries()
        row, position = where[:, 0], where[:, 1]
        if len(where) and (row.max() >= len(lengths) or (position >= lengths[row]).any()):
            raise InputError(f"{split.path} names tokens that are not there; give the tokens of that cache")
        token = places.starts[row] + position
        kept = content[token]
        token, latent, values = token[kept], where[kept, 2], values[kept]
        order = np.lexsort((token, latent))
        parts.append((token[order], values[order]))
        counts.append(np.bincount(latent, minlength=split.last - split.first + 1))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    tokens, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    latents = np.repeat(np.arange(d_sae), np.diff(indptr))
    found = statistics_of(latents, tokens, values, places, d_sae)
    about = {"reference": {"ranges": [[each.first, each.last] for each in splits], "config": config}}
    kind = np.uint32 if len(places) <= 2**32 else np.uint64
    return LatentTable(name, name, indptr, tokens.astype(kind), values, found, about)


def _strings(lm: LanguageModel | None, strings: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if strings is not None:
        if len(strings) < count:
            raise InputError(
                f"there are {len(strings)} strings but tokens up to {count - 1}; give one for each"
            )
        return tuple(strings)
    if lm is not None and lm.tokenizer is not None:
        return tuple(token_strings(lm, range(lm.vocab_size)).values())
    return tuple(f"[{number}]" for number in range(count))


def _padded(tokens: TokenTable) -> Int[np.ndarray, "rows ctx"]:
    lengths = np.diff(tokens.starts)
    ids = np.zeros((len(lengths), int(lengths.max(initial=0))), np.int64)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = tokens.ids[:]
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
    path: Path, tokens: TokenTable, table: LatentTable, first: int, last: int, ids: np.ndarray
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
    tensors = {"locations": np.ascontiguousarray(where, kind), "activations": values, "tokens": ids}
    with atomic(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary)


def _settings(cache: LatentCache, table: LatentTable, shape: tuple[int, ...], splits: int) -> dict[str, Any]:
    """Their settings where they were read; else what they read of them, and what unequal rows need."""
    lengths = np.diff(cache.tokens.starts)
    found = dict(table.about.get("reference", {}).get("config", {})) or {
        "model_name": cache.about.get("model", ""),
        "batch_size": 1,
        "cache_ctx_len": shape[1],
        "n_tokens": shape[0] * shape[1],
        "n_splits": splits,
    }
    if (lengths != shape[1]).any() or cache.tokens.special_ids:
        fields = ("documents", "offsets")
        found[_OURS] = {
            "lengths": lengths,
            "special_ids": sorted(cache.tokens.special_ids),
            **{name: np.asarray(getattr(cache.tokens, name)) for name in fields},
        }
    return found
