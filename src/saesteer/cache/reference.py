"""The folder layout of sae-auto-interp (today Delphi), read into a cache.

    latents/<hookpoint>/{first}_{last}.safetensors    locations [nnz, 3] (row, position, latent - first;
        uint16 where all fit, else uint32), activations [nnz] float16, tokens [rows, ctx] int64 (optional)
    latents/<hookpoint>/config.json                   settings (optional)

Knows files and arrays; a model only for the texts of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open

from saesteer.cache.cache import LatentCache, LatentTable, TokenTable
from saesteer.cache.no_tokens import NoTokens
from saesteer.cache.statistics import statistics_of
from saesteer.errors import CorruptFile, InputError, UnknownName
from saesteer.latents.reading import token_strings
from saesteer.model import LanguageModel
from saesteer.runs import contained, read_json

FOLDER: Final = "latents"
CONFIG: Final = "config.json"
_FILE: Final = re.compile(r"(\d+)_(\d+)\.safetensors")
OURS: Final = "saesteer"
"""The key of config.json under which the lengths of unequal rows are kept."""
FORMAT: Final = "reference"
LENGTH: Final = "cache_ctx_len"
"""The key of config.json that says how long rows are."""


@dataclass(frozen=True, eq=False)
class _Split:
    """One file: latents `first` to `last`."""

    path: Path
    first: int
    last: int

    def tensor(self, name: str) -> np.ndarray | None:
        """None where the file has no such tensor."""
        return tensor_of(self.path, name)

    def entries(self) -> tuple[Int[np.ndarray, "nnz 3"], Float[np.ndarray, " nnz"]]:
        places, values = self.tensor("locations"), self.tensor("activations")
        if places is None or values is None or places.shape != (len(values), 3) or values.ndim != 1:
            raise CorruptFile(f"{self.path} holds no locations [nnz, 3] and activations [nnz]; get it anew")
        places = places.astype(np.int64)
        if len(places) and (places.min() < 0 or places[:, 2].max() > self.last - self.first):
            raise CorruptFile(f"{self.path} names latents beyond {self.last}; its name or content is wrong")
        if not np.isfinite(values).all():
            raise CorruptFile(f"{self.path} holds NaN or infinity; get it anew")
        return places, values


def tensor_of(path: Path, name: str) -> np.ndarray | None:
    """None where the file has no such tensor."""
    try:
        with safe_open(path, framework="np") as file:
            found: np.ndarray | None = file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118
            return found
    except (SafetensorError, OSError) as error:
        raise CorruptFile(f"{path} is no whole safetensors file ({error}); get it anew") from error


def read_reference(
    folder: str | Path,
    *,
    hookpoints: Sequence[str] | None = None,
    tokens: Int[np.ndarray, "rows ctx"] | str | Path | None = None,
    lm: LanguageModel | None = None,
    strings: Sequence[str] | None = None,
) -> LatentCache:
    """A cache in memory of the reference's folder (the one that holds `latents`, or that one itself).

    `hookpoints`: those that are wanted, by the names of their folders; None: all. `tokens`, an array or a
    .npy or .safetensors file: where the files hold none. Without any, entries keep their places (rows as many
    and as long as the entries or config.json say) and statistics; whatever needs a text says so.
    `lm` gives the texts of tokens and its special tokens, whose entries are left out; without it every token
    is content, and `strings` may give the texts.
    """
    root = Path(folder) / FOLDER if (Path(folder) / FOLDER).is_dir() else Path(folder)
    found = _hookpoints(root)
    for name in hookpoints or ():
        if name not in found:
            raise UnknownName.of("hookpoint of the folder", name, found)
    chosen = {name: splits for name, splits in found.items() if hookpoints is None or name in hookpoints}
    configs = {name: _config(root / name) for name in chosen}
    ids = _tokens(chosen, token_rows(tokens) if isinstance(tokens, str | Path) else tokens)
    special = frozenset() if lm is None or lm.tokenizer is None else frozenset(lm.tokenizer.all_special_ids)
    ours = _ours(next(iter(configs.values())))
    places = _places(ids, ids.shape, ours, special) if ids is not None else _guessed(chosen, configs, ours)
    tables = {name: _table(name, splits, configs[name], places) for name, splits in chosen.items()}
    count = 0 if ids is None else int(ids.max(initial=-1)) + 1
    return LatentCache(places, tables, _strings(lm, strings, count), {"source": str(root), "format": FORMAT})


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


def _ours(config: Mapping[str, Any]) -> dict[str, Int[np.ndarray, " n"]]:
    """What unequal rows need, where we wrote the folder."""
    try:
        found = {name: np.asarray(each, np.int64) for name, each in (config.get(OURS) or {}).items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise CorruptFile(f"{CONFIG} has {OURS!r} that is no lists of numbers; remove it") from error
    return found


def _tokens(
    chosen: Mapping[str, Sequence[_Split]], given: Int[np.ndarray, "rows ctx"] | None
) -> Int[np.ndarray, "rows ctx"] | None:
    """The same for all hookpoints: those of the files that hold any, else those that are given, if any."""
    held: np.ndarray | None = None
    for split in (split for splits in chosen.values() for split in splits):
        own = split.tensor("tokens")
        if own is not None and held is not None and not np.array_equal(own, held):
            raise InputError(f"the tokens of {split.path} are not those of the others; read each apart")
        held = own if own is not None else held
    if held is not None and given is not None and not np.array_equal(held, given):
        raise InputError("the files hold other tokens than those that are given; leave tokens out")
    ids = held if held is not None else given
    return None if ids is None else _checked(ids)


def _checked(ids: Any) -> Int[np.ndarray, "rows ctx"]:
    if np.ndim(ids) != 2:
        raise InputError(f"tokens are [rows, ctx], got {list(np.shape(ids))}; give a row per text")
    found = np.asarray(ids)
    if not np.issubdtype(found.dtype, np.integer) or found.min(initial=0) < 0:
        raise InputError(f"tokens are whole numbers from 0, got {found.dtype} from {found.min(initial=0)}")
    return found.astype(np.int64)


def _guessed(
    chosen: Mapping[str, Sequence[_Split]],
    configs: Mapping[str, dict[str, Any]],
    ours: Mapping[str, np.ndarray],
) -> TokenTable:
    """Rows without tokens: as many as the entries name, as long as a config says or the entries need."""
    rows = ctx = 0
    for split in (split for splits in chosen.values() for split in splits):
        where, _ = split.entries()
        highest = where[:, :2].max(0, initial=-1) + 1
        rows, ctx = max(rows, int(highest[0])), max(ctx, int(highest[1]))
    for name, said in ((name, each[LENGTH]) for name, each in configs.items() if LENGTH in each):
        if type(said) is not int or said < 1:
            raise CorruptFile(f"{CONFIG} of {name} says {LENGTH} {said!r}; mend or remove it")
        ctx = max(ctx, said)
    if "lengths" in ours:
        rows, ctx = len(ours["lengths"]), int(ours["lengths"].max(initial=0))
    return _places(None, (rows, ctx), ours, frozenset())


def _places(
    ids: np.ndarray | None, shape: tuple[int, ...], ours: Mapping[str, np.ndarray], special: frozenset[int]
) -> TokenTable:
    rows, ctx = shape
    lengths = ours.get("lengths", np.full(rows, ctx))
    documents, offsets = ours.get("documents", np.arange(rows)), ours.get("offsets", np.zeros(rows, np.int64))
    wrong = any(each.shape != (rows,) for each in (lengths, documents, offsets))
    if wrong or (lengths < 0).any() or (lengths > ctx).any():
        raise CorruptFile(f"{CONFIG} names lengths of other rows; remove its {OURS!r}")
    starts = np.concatenate([[0], np.cumsum(lengths)])
    if ids is None:
        flat = NoTokens.of(int(starts[-1]))
    else:
        flat = ids[np.arange(ctx) < lengths[:, None]]
        flat = flat.astype(np.min_scalar_type(int(flat.max(initial=0))))
    known = special | frozenset(ours.get("special_ids", np.zeros(0, np.int64)).tolist())
    return TokenTable(flat, starts, documents, offsets, known)


def _table(name: str, splits: Sequence[_Split], config: dict[str, Any], places: TokenTable) -> LatentTable:
    d_sae, counts, parts = splits[-1].last + 1, [], []
    content = places.content(0, len(places)) if places.known else None
    lengths = np.diff(places.starts)
    for split in splits:
        where, values = split.entries()
        row, position = where[:, 0], where[:, 1]
        if len(where) and (row.max() >= len(lengths) or (position >= lengths[row]).any()):
            raise InputError(f"{split.path} names tokens that are not there; give the tokens of that cache")
        token = places.starts[row] + position
        kept = slice(None) if content is None else content[token]
        token, latent, values = token[kept], where[kept, 2], values[kept]
        order = np.lexsort((token, latent))
        _once(split, token[order], latent[order])
        parts.append((token[order], values[order]))
        counts.append(np.bincount(latent, minlength=split.last - split.first + 1))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    tokens, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    latents = np.repeat(np.arange(d_sae), np.diff(indptr))
    found = statistics_of(latents, tokens, values, places, d_sae)
    about = {"reference": {"ranges": [[each.first, each.last] for each in splits], "config": config}}
    kind = np.uint32 if len(places) <= 2**32 else np.uint64
    return LatentTable(name, name, indptr, tokens.astype(kind), values, found, about)


def _once(split: _Split, token: np.ndarray, latent: np.ndarray) -> None:
    if ((np.diff(token) == 0) & (np.diff(latent) == 0)).any():
        raise CorruptFile(f"{split.path} names an entry of a latent twice; get it anew")


def _strings(lm: LanguageModel | None, strings: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if strings is not None:
        if len(strings) < count:
            raise InputError(
                f"there are {len(strings)} strings but tokens up to {count - 1}; give one for each"
            )
        return tuple(strings)
    if lm is not None and lm.vocab_size < count:
        raise InputError(
            f"tokens go up to {count - 1} but {lm.name} has {lm.vocab_size} ids; "
            "give the model that read them"
        )
    if lm is not None and lm.tokenizer is not None:
        return tuple(token_strings(lm, range(lm.vocab_size)).values())
    return tuple(f"[{number}]" for number in range(count))


def token_rows(path: str | Path) -> np.ndarray:
    """The array of a .npy file, or `tokens` of a safetensors file."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; give a .npy or .safetensors file with tokens [rows, ctx]")
    if path.suffix == ".safetensors":
        found = tensor_of(path, "tokens")
        if found is None:
            raise InputError(f"{path} holds no tensor called tokens; give one that does")
        return found
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is no .npy or .safetensors file of numbers ({error}); check it") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path} holds several arrays; give a .npy file of one [rows, ctx]")
    return found
