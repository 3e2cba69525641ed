"""All pages of an interpretation: its own, and beside it one per latent. Knows files, no content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from saesteer.cache import LatentCache
from saesteer.errors import InputError
from saesteer.examples import Interpretation, LatentId
from saesteer.latents import LogitEffect
from saesteer.report.interpretation_page import PageNotes, latent_lines, write_overview
from saesteer.report.latent_links import addresses, files
from saesteer.report.latent_page import LatentNotes, LatentPages, Neighbour
from saesteer.report.score_columns import columns

LATENTS: Final = "latents"
"""The folder of their pages, after the name of the page."""


def write_interpretation_page(
    interpretation: Interpretation,
    path: str | Path,
    cache: LatentCache | None = None,
    *,
    effect: Callable[[LatentId], LogitEffect | None] = lambda _: None,
    neighbours: Mapping[LatentId, Sequence[Neighbour]] | None = None,
    notes: PageNotes | None = None,
    latent_notes: LatentNotes | None = None,
    progress: Callable[[str, int, int], Any] = lambda *_: None,
) -> Path:
    """Write `path`, and the pages of the latents that it lists to a folder beside it.

    `effect`: what a latent promotes, where a model is at hand; `progress(label, done, total)`.
    """
    path, notes = Path(path), notes or PageNotes()
    if path.suffix != ".html":
        raise InputError(f"a page is one .html file, got {path}; name it report.html")
    lines = latent_lines(interpretation, columns(interpretation), {})[: notes.most]
    places = files([each.latent for each in lines], f"{path.stem}_{LATENTS}")
    links = addresses(places)
    near = {each: f"../../{place}" for each, place in links.items()}
    drawn = replace(latent_notes or LatentNotes(), home=f"../../{quote(path.name)}", links=near)
    pages = LatentPages(cache, interpretation, effect, neighbours, drawn)
    for number, (latent, place) in enumerate(places.items()):
        progress(f"page of {latent}", number, len(places))
        pages.write(latent, path.parent / place)
    return write_overview(interpretation, path, links, notes)
