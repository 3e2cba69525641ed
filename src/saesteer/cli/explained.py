"""`saesteer find "words"`: explanations in a folder, the nearest to some words first. Offline."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from saesteer.pipeline.interpretation import Matches

HOME: Final = Path("interpretation")
"""Where `saesteer interpret` keeps results unless told otherwise."""
_USUAL: Final = "minilm"
_CONCEPTS: Final = (".yaml", ".yml", ".json")


def are_words(given: str | None, others: bool) -> bool:
    """Whether what stands alone on the command line is no concept's name, and explanations are at hand."""
    if given is None or others or "/" in given or given.endswith(_CONCEPTS):
        return False
    return (HOME / "about.json").is_file()


def find_explained(folder: Path, words: str | None, embedder: str, top: int, json: bool) -> None:
    """Search and print."""
    from saesteer.cli.terminal import print_json, print_table, progress

    if words is None:
        raise InputError(f'what is looked for is missing; saesteer find --explained {folder} "some words"')
    with progress(2) as bar:
        bar.step("loading")
        from saesteer.pipeline.interpretation import search_explanations

        bar.step("searching")
        found = search_explanations(folder, words, top, None if embedder == _USUAL else embedder)
    if json:
        rows = [asdict(each) | {"latent": str(each.latent)} for each in found.rows]
        print_json({"folder": folder, "query": found.query, "embedder": found.embedder, "latents": rows})
        return
    print_table(*_page(found, folder))


def _page(found: Matches, folder: Path) -> list[RenderableType]:
    from rich.table import Table

    if not found.rows:
        query = one_line(found.query)
        return [f"no explanation in {folder} has anything in common with {query!r}, by {found.embedder}"]
    scorers = list(dict.fromkeys(name for each in found.rows for name in each.scores))
    table = Table("latent", "similarity", *map(one_line, scorers), "explanation")
    for each in found.rows:
        scores = [f"{each.scores[name]:.2f}" if name in each.scores else "" for name in scorers]
        table.add_row(one_line(str(each.latent)), f"{each.similarity:.3f}", *scores, one_line(each.text))
    return [table, f"explanations in {folder} near to {one_line(found.query)!r}, by {found.embedder}"]
