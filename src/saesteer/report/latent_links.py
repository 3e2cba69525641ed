"""Where the pages of latents lie beside the page of their interpretation. Knows file names only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from saesteer.examples import LatentId

_LONGEST = 80


def folders(names: Iterable[str]) -> dict[str, str]:
    """SAE -> a folder name that every file system takes, no two alike, none that leads elsewhere."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_LONGEST].strip(".") or "sae"
        free, number = plain, 1
        while free.casefold() in taken:
            number += 1
            free = f"{plain}-{number}"
        taken.add(free.casefold())
        found[name] = free
    return found


def files(latents: Iterable[LatentId], folder: str) -> Mapping[LatentId, str]:
    """Latent -> its page, from the folder of the interpretation's page."""
    latents = tuple(latents)
    homes = folders(dict.fromkeys(each.sae for each in latents))
    return {each: f"{folder}/{homes[each.sae]}/{each.latent}.html" for each in latents}


def addresses(found: Mapping[LatentId, str]) -> dict[LatentId, str]:
    """The same as links."""
    return {latent: quote(path, safe="/") for latent, path in found.items()}
