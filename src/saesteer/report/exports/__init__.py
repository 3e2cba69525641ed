"""Results in the formats of other projects. One format per file.

Knows caches, results, formats. Does not know how results were found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from saesteer.cache import LatentCache
from saesteer.errors import InputError
from saesteer.examples import Interpretation, LatentId
from saesteer.names import Registry
from saesteer.report.exports.features import Effects, Logits
from saesteer.report.exports.naming import Names

EXPORTS: Registry[Callable[..., list[Path]]] = Registry(
    "export",
    {
        "neuronpedia": "saesteer.report.exports.neuronpedia:export_neuronpedia",
        "neuronpedia_api": "saesteer.report.exports.neuronpedia:export_neuronpedia_api",
        "sae_dashboard": "saesteer.report.exports.sae_dashboard:export_sae_dashboard",
    },
)


def export_interpretation(
    interpretation: Interpretation,
    cache: LatentCache,
    folder: str | Path,
    form: str = "neuronpedia",
    *,
    latents: Iterable[LatentId] | None = None,
    names: Names | None = None,
    effects: Effects = lambda _: None,
    progress: Callable[[str], Any] = lambda _: None,
) -> list[Path]:
    """Write an empty or new folder in a form of EXPORTS; the files. `latents`: those of the results."""
    write, folder = EXPORTS.get(form), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder; give another one, so that no two exports mix")
    chosen = interpretation.latents if latents is None else latents
    by_sae: dict[str, list[LatentId]] = {}
    for each in sorted(dict.fromkeys(chosen)):
        cache[each.sae].latent(each.latent)
        by_sae.setdefault(each.sae, []).append(each)
    if not by_sae:
        raise InputError("there are no latents to export; explain some first")
    return write(interpretation, cache, folder, by_sae, names or Names.of(cache), effects, progress)


__all__ = ["EXPORTS", "Effects", "Logits", "Names", "export_interpretation"]
