"""`saesteer rate`: a person rates the texts of a sweep, blind, from the keyboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saesteer.cli import options
from saesteer.cli.sweeps import sweeps_of
from saesteer.cli.words import visible

if TYPE_CHECKING:
    from saesteer.evaluation.rating import Sheet


def rate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a sweep, or of a run.", show_default=False)
    ],
    rater: Annotated[str, typer.Option(help="Your name; ratings of one name go on where they stood.")] = "me",
    criteria: Annotated[str, typer.Option(help="With commas, each rated 1 to 10.")] = "behaviour,coherence",
    most: Annotated[int | None, typer.Option(min=1, help="Stop after so many texts.")] = None,
    json: options.Json = False,
) -> None:
    """Rate the texts of a sweep yourself, blind, from the keyboard.

    Texts come in random order, without method, strength or variant, and never twice. A line is a number from
    1 to 10, u (take the last rating back), s (this text later) or q (go on another day).

    Example: saesteer rate runs/sweep-0123456789ab --rater ann
    """
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.evaluation.rating import Rater, session

    names = [each.strip() for each in criteria.split(",") if each.strip()]
    found = Rater(sweeps_of(folder)[0], rater, names)
    done = session(found, _show, _ask, most)
    left = len(found.left())
    if json:
        print_json({"rater": rater, "rated": done, "left": left, "file": found.table.folder})
        return
    print_table(f"rated: {done}, left: {left}", f"Next: saesteer agree {folder}")


def _show(sheet: Sheet) -> None:
    """On stderr, so that stdout is the result alone; of a text only its letters reach the terminal."""
    lines = [
        "",
        f"--- {sheet.left} left. Concept: {sheet.concept}",
        f"[{visible(sheet.prompt)}]",
        visible(sheet.text),
        "",
    ]
    print("\n".join(lines), file=sys.stderr)


def _ask(criterion: str) -> str | None:
    print(f"{criterion}, 1 to 10 (u s q): ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline() or None
