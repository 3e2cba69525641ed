"""Latents like those of a report: as examples have found them, else by the decoder where that is quick.

Knows a loader, SAEs and what a page takes; not how similarities are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from saesteer.cache import LatentTable
from saesteer.examples import LatentId, Loader, Neighbours, neighbours
from saesteer.report.latent_page import Neighbour
from saesteer.saes import SAE

_SOURCES: Final = ("neighbours", "mixed")  # of silent windows, that look for like latents
_QUICK: Final = 1 << 35  # products of two numbers: half a second, or less
_DECODER: Final = "decoder"


def near(
    loader: Loader, saes: Mapping[str, SAE], latents: Iterable[LatentId]
) -> dict[LatentId, tuple[Neighbour, ...]]:
    """For each of the latents those that are most like it, nearest first; no entry where nobody knows."""
    found: dict[LatentId, tuple[Neighbour, ...]] = {}
    known: dict[str, tuple[Neighbours, str] | None] = {}
    for each in latents:
        if each.sae not in known:
            known[each.sae] = _of_sae(loader, saes.get(each.sae), each.sae)
        if (of := known[each.sae]) is not None:
            pairs = of[0].of(each.latent)
            found[each] = tuple(Neighbour(LatentId(each.sae, one), value, of[1]) for one, value in pairs)
    return found


def _of_sae(loader: Loader, sae: SAE | None, name: str) -> tuple[Neighbours, str] | None:
    """Neighbours, and what their similarity is of."""
    settings = loader.settings
    if name not in loader.cache.tables:
        return None
    if settings.negative_source in _SOURCES:
        return loader.neighbours(name), settings.similarity
    if sae is None or not _quick(loader.cache[name], sae):
        return None
    return neighbours(loader.cache, name, _DECODER, settings.neighbours, sae), _DECODER


def _quick(table: LatentTable, sae: SAE) -> bool:
    return len(table.kept) ** 2 * sae.W_dec.shape[-1] <= _QUICK
