"""`saesteer lm-eval`: lm-evaluation-harness on a steered model; its own options pass through."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.words import visible
from saesteer.errors import InputError


def lm_eval(
    context: typer.Context,
    spec: Annotated[
        list[Path] | None,
        typer.Option("--spec", help="A steering spec of any format; repeatable with --sweep."),
    ] = None,
    strength: Annotated[
        list[float] | None,
        typer.Option("--strength", help="In place of the spec's own; 0 is off; repeatable with --sweep."),
    ] = None,
    positions: Annotated[
        str | None, typer.Option(help="In place of the spec's: all, prompt, generated, last, first, or 0:6.")
    ] = None,
    skip: Annotated[
        str | None, typer.Option(help="In place of the spec's: bos,special, or none for nothing.")
    ] = None,
    readings: Annotated[
        Path | None,
        typer.Option(help="Where rows go that print a latent; default: readings.jsonl in --output_path."),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="The plain model and each --spec at each --strength; a table of what changed."
        ),
    ] = False,
    force: options.Force = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Let task files run their functions and fetch metrics.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Run lm-evaluation-harness on a steered model.

    All of lm_eval's own options work here too; lm_eval run --help lists them. Needs the extra lm-eval.

    Example: saesteer lm-eval --spec wedding.yaml --strength 0.4 --tasks world_grammar,world_facts

    Example: saesteer lm-eval --sweep --spec wedding.yaml --strength 0.2 --strength 0.4
    --tasks world_facts,world_tracking --output_path costs

    Example: saesteer lm-eval --model sae_steered_beta --model_args
    base_name=google/gemma-2-2b,csv_path=dogs.csv --tasks mmlu_abstract_algebra --batch_size auto
    --output_path . --device cuda:0
    """
    from saesteer.cli.terminal import print_json
    from saesteer.harness import command

    common = {"positions": positions, "skip": skip, "force": force or None}
    common = {key: each for key, each in common.items() if each is not None}
    if sweep:
        if readings is not None:
            raise InputError("--sweep keeps readings in the folder of each setting; leave --readings out")
        _sweep(context.args, spec or [], strength or [], common, allow_code, json)
        return
    if len(spec or ()) > 1 or len(strength or ()) > 1:
        raise InputError("one run has one --spec and one --strength; to compare several add --sweep")
    steering: dict[str, Any] = {"spec": str(spec[0])} if spec else {}
    steering |= {"strength": strength[0]} if strength else {}
    parsed = command.parse(context.args, steering | common, allow_code)
    parsed = command.with_readings(parsed, readings)
    if command.unread(parsed):
        print(
            "saesteer: rows of the spec print a latent, and nothing keeps what is read; "
            "give --output_path FOLDER or --readings FILE",
            file=sys.stderr,
        )
    if not json:
        command.run(parsed, allow_code)
        return
    with redirect_stdout(sys.stderr):  # lm_eval prints its tables
        results = command.run(parsed, allow_code)
    print_json(results)


def _sweep(
    words: list[str],
    specs: list[Path],
    strengths: list[float],
    common: dict[str, Any],
    allow_code: bool,
    json: bool,
) -> None:
    """The settings, the table and the pictures."""
    from rich.table import Table

    from saesteer.cli.terminal import print_json, print_table
    from saesteer.harness import command, sweep, tables
    from saesteer.report.harness_plot import write_deltas_plot

    parsed = command.parse(words, {}, allow_code)
    parsed.given.model_args = command.with_options(parsed.arguments, common)
    with redirect_stdout(sys.stderr):
        found = sweep.sweep(parsed, specs, strengths, allow_code)
        tables.write_tables(found)
        for ending in ("png", "svg"):
            write_deltas_plot(found.rows, found.folder / f"deltas.{ending}")
    if json:
        print_json({"out": found.folder, "rows": found.rows})
        return
    table = Table(box=None)
    for head in tables.HEAD:
        table.add_column(head, overflow="fold")  # names that differ at their ends stay apart
    for line in tables.cells(found.rows, found.plain):
        table.add_row(*map(visible, line))
    print_table(table, f"{found.folder}: deltas.json, .csv, .md, .png, .svg; settings/ holds every result")


lm_eval.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}  # type: ignore[attr-defined]
