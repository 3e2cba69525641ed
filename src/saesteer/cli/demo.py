"""`saesteer demo`: the whole way on the embedded world, ending with a report and a short table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

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

    Needs no network, GPU or key. Run again with the same --out, it goes on where it was stopped.

    Example: saesteer demo --out demo --concepts wedding,sea
    """
    from saesteer.cli.inputs import quiet
    from saesteer.cli.terminal import print_json, print_table, progress

    options.check_output(out / "report.html")
    chosen = _concepts(concepts)
    with progress() as bar:
        bar.step("loading")
        quiet()
        from saesteer.pipeline.demo import run_demo

        result = run_demo(out=out, progress=bar.report, command=_command(out, concepts), **chosen)
    if json:
        print_json({"report": result.report, "summary": result.summary})
    else:
        print_table(result.table(), f"\nReport: {result.report}")
    if open_report:
        typer.launch(str(result.report.resolve()))


def _concepts(given: str | None) -> dict[str, Any]:
    """The named concepts, each of which exists; nothing where the demo's own are wanted."""
    from saesteer.text import load_concept

    if given is None:
        return {}
    names = [name.strip().removeprefix("world/") for name in given.split(",") if name.strip()]
    if not names:
        raise InputError(f"--concepts is names with commas, got {given!r}; give at least one")
    if len(set(names)) < len(names):
        raise InputError(f"--concepts names a concept twice, got {given!r}; name each once")
    for name in names:
        load_concept(f"world/{name}")
    return {"concepts": names}


def _command(out: Path, concepts: str | None) -> str:
    """What was typed, as the report quotes it."""
    parts = ["saesteer", "demo", "--out", str(out)] + ([] if concepts is None else ["--concepts", concepts])
    return shlex.join(parts)
