"""`saesteer demo`: the whole way on the embedded world, ending with a report and a short table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from saesteer.cli import options
from saesteer.errors import InputError


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for the report and its samples.")
    ] = Path("demo"),
    concepts: Annotated[
        str | None, typer.Option(help="Concepts of the world, with commas: wedding,sea; default: four.")
    ] = None,
    open_report: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the report in a browser.")
    ] = False,
    json: options.Json = False,
) -> None:
    """The whole way on the embedded world; ends with a report.

    Needs no network, GPU or key. Run again with the same --out, it goes on where it was stopped. It is an
    experiment like any other: change a copy of experiment.yaml from the folder, and give it to saesteer run.

    Example: saesteer demo --out demo --concepts wedding,sea
    """
    from saesteer.cli.inputs import quiet
    from saesteer.cli.interpreting import resumable
    from saesteer.cli.run import tell
    from saesteer.cli.terminal import progress

    options.check_folder(out)
    chosen = _concepts(concepts)
    with progress() as bar, resumable(out):
        bar.step("loading")
        quiet()
        from saesteer.pipeline.demo import run_demo

        result = run_demo(out, chosen, bar.report, _command(out, concepts))
    tell(result, json)
    if open_report:
        typer.launch(str(result.report.resolve()))


def _concepts(given: str | None) -> list[str]:
    """The named concepts, each of which exists; none where the demo's own are wanted."""
    from saesteer.text import load_concept

    if given is None:
        return []
    names = [name.strip().removeprefix("world/") for name in given.split(",") if name.strip()]
    if not names:
        raise InputError(f"--concepts is names with commas, got {given!r}; give at least one")
    if len(set(names)) < len(names):
        raise InputError(f"--concepts names a concept twice, got {given!r}; name each once")
    for name in names:
        load_concept(f"world/{name}")
    return names


def _command(out: Path, concepts: str | None) -> str:
    """What was typed, as the report quotes it."""
    parts = ["saesteer", "demo", "--out", str(out)] + ([] if concepts is None else ["--concepts", concepts])
    return shlex.join(parts)
