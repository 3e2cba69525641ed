"""Which latents of a cache are meant: a number of them, a list, all. Knows caches only."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np

from saesteer.cache import LatentCache
from saesteer.errors import InputError
from saesteer.examples import LatentId

ALL: Final = "all"
Asked = str | int | Sequence[LatentId] | Sequence[int] | Mapping[str, "str | int | Sequence[int]"]
"""64 · "all" · "3,5,10-20" · "layers.3/17,layers.3/40" · {"layers.3": 64, "layers.4": "0-9"} · LatentIds."""

_ENTRY: Final = re.compile(r"(?:(?P<sae>.+)/)?(?P<first>\d+)(?:-(?P<last>\d+))?")


def choose(
    cache: LatentCache,
    asked: Asked,
    least: int = 1,
    seed: int = 0,
    enough: Callable[[LatentId], bool] = lambda latent: True,
) -> tuple[LatentId, ...]:
    """The latents, each once, in the order of the cache.

    A number means so many of each SAE, drawn by `seed` from those that are active at `least` tokens and
    `enough` otherwise; all means those at `least`.
    """
    if not isinstance(asked, int | str | Sequence | Mapping) or asked in ("", [], (), {}):
        raise InputError(f"latents are a number, all or a list such as 3,5,10-20, got {asked!r}")
    if isinstance(asked, Mapping):
        parts = [_of_sae(cache, name, each, least, seed, enough) for name, each in asked.items()]
    elif isinstance(asked, int) or (isinstance(asked, str) and (asked == ALL or asked.isdecimal())):
        parts = [_of_sae(cache, name, asked, least, seed, enough) for name in cache.names]
    else:
        parts = [_listed(cache, asked)]
    found = _ordered(cache, {each for part in parts for each in part})
    if not found:
        raise InputError(
            f"no latent is active in {least} windows or more; cache more tokens, or lower min_windows"
        )
    return found


def _of_sae(
    cache: LatentCache,
    name: str,
    asked: str | int | Sequence[int],
    least: int,
    seed: int,
    enough: Callable[[LatentId], bool],
) -> Iterable[LatentId]:
    table = cache[name]
    if isinstance(asked, str) and asked != ALL and not asked.isdecimal():
        return _entries(cache, asked, name)
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        return _listed(cache, [LatentId(name, each) for each in asked])
    if isinstance(asked, bool):
        raise InputError(f"latents are a number, a list or all, got {asked!r}")
    active = table.kept[np.asarray(table.statistics.count)[table.kept] >= least]
    if asked == ALL:
        return [LatentId(name, each) for each in active.tolist()]
    if int(asked) < 1:
        raise InputError(f"latents are at least 1 of each SAE, got {asked}")
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = (LatentId(name, each) for each in draw.permutation(active).tolist())
    return islice(filter(enough, drawn), int(asked))


def _listed(cache: LatentCache, asked: str | Sequence[LatentId] | Sequence[int]) -> Iterable[LatentId]:
    if isinstance(asked, str):
        return _entries(cache, asked, None)
    found = [each if isinstance(each, tuple) else LatentId(_only(cache), each) for each in asked]
    return [_checked(cache, LatentId(*each)) for each in found]


def _entries(cache: LatentCache, text: str, sae: str | None) -> Iterable[LatentId]:
    found = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise InputError(
                "latents are a number, all, or a list such as 3,5,10-20 or "
                f"{cache.names[0]}/17, got {entry!r}"
            )
        name = match["sae"] or sae or _only(cache)
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if last < first:
            raise InputError(f"a range of latents goes up, such as 10-20, got {entry!r}")
        _checked(cache, LatentId(name, last))
        found += [LatentId(name, each) for each in range(first, last + 1)]
    if not found:
        raise InputError(f"latents are a number, all, or a list such as 3,5,10-20, got {text!r}")
    return found


def _only(cache: LatentCache) -> str:
    if len(cache.names) > 1:
        raise InputError(
            f"the cache has several SAEs ({', '.join(cache.names)}); name one, as in {cache.names[0]}/17"
        )
    return cache.names[0]


def _checked(cache: LatentCache, latent: LatentId) -> LatentId:
    if isinstance(latent.latent, bool) or not isinstance(latent.latent, int | np.integer):
        raise InputError(f"a list of latents holds whole numbers such as 17, got {latent.latent!r}")
    if not 0 <= latent.latent < cache[latent.sae].d_sae:
        raise InputError(
            f"latents of {latent.sae} are 0 to {cache[latent.sae].d_sae - 1}, got {latent.latent}"
        )
    return latent


def _ordered(cache: LatentCache, latents: set[LatentId]) -> tuple[LatentId, ...]:
    place = {name: number for number, name in enumerate(cache.names)}
    return tuple(sorted(latents, key=lambda each: (place[each.sae], each.latent)))
