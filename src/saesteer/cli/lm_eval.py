"""`saesteer lm-eval`: lm-evaluation-harness on a steered model; its own options pass through."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from saesteer.cli import options
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
    force: options.Force = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Let task files run their functions and fetch metrics.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Run lm-evaluation-harness on a steered model.

    All of lm_eval's own options work here too; lm_eval run --help lists them. Needs saesteer[lm-eval].

    Example: saesteer lm-eval --spec wedding.yaml --strength 0.4 --tasks world_grammar,world_facts

    Example: saesteer lm-eval --spec dogs.csv --model_args pretrained=google/gemma-2-2b --tasks hellaswag

    Example: saesteer lm-eval --model sae_steered_beta --model_args base_name=google/gemma-2-2b,csv_path=dogs.csv
    --tasks mmlu_abstract_algebra --batch_size auto --output_path . --device cuda:0
    """
    from saesteer.cli.terminal import print_json
    from saesteer.harness import command

    if len(spec or ()) > 1 or len(strength or ()) > 1:
        raise InputError("one run has one --spec and one --strength; to compare several add --sweep")
    steering: dict[str, Any] = {"spec": str(spec[0])} if spec else {}
    given = {"strength": strength[0] if strength else None, "positions": positions, "skip": skip}
    steering |= {key: each for key, each in given.items() if each is not None}
    steering |= {"force": True} if force else {}
    parsed = command.parse(context.args, steering, allow_code)
    parsed = command.with_readings(parsed, readings)
    if not json:
        command.run(parsed, allow_code)
        return
    with redirect_stdout(sys.stderr):  # lm_eval prints its tables
        results = command.run(parsed, allow_code)
    print_json(results)


lm_eval.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}  # type: ignore[attr-defined]
