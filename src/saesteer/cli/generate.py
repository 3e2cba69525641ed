"""`saesteer generate`: texts steered beside unsteered, with the same luck on both sides; or plain ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.words import visible
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from saesteer.model import LanguageModel
    from saesteer.steering import SteeringSpec


def generate(
    spec: Annotated[
        Path | None, typer.Option(help="The steering spec, .yaml or .json; without it the model as it is.")
    ] = None,
    model: options.Model = options.MODEL,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", "-p", help="A prompt; may be given again.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Prompts from a file: .txt (one per line), .jsonl, .csv.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Texts per prompt.")] = 4,
    strength: Annotated[
        float | None,
        typer.Option(
            callback=options.finite, help="Instead of the spec's own, in the spec's unit; 0 is off."
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens per text.")] = 40,
    temperature: Annotated[
        float, typer.Option(callback=options.finite, help="0: always the likeliest token.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The luck; the same for both sides.")] = 0,
    force: options.Force = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Write texts, steered beside unsteered.

    Without a spec those of the model as it is.

    Example: saesteer generate --spec wedding.yaml --prompt "One day Anna went to" -n 4 --seed 1

    Example: saesteer generate --model models/wedding --prompt "One day Anna went to"

    Example: saesteer generate --spec wedding.yaml --prompts prompts.txt --strength 0.3 --json
    """
    from saesteer.cli.inputs import open_model
    from saesteer.cli.terminal import print_json, print_table, progress

    if spec is None and strength is not None:
        raise InputError("--strength is of a spec; give --spec FILE, or leave it out")
    asked = _prompts(prompt, prompts)
    how: dict[str, Any] = {
        "n": n,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "seed": seed,
    }
    with progress(4) as bar:
        bar.step("reading the spec")
        found = None if spec is None else _spec(spec, strength)
        bar.step(f"loading {model}")
        lm = open_model(model, device, dtype)
        bar.step(f"writing {n * len(asked)} texts")
        rows = _plain(lm, asked, how) if found is None else _both(lm, found, asked, force, how)
    if json:
        print_json({"model": model, "spec": spec, "strength": strength, "settings": how, "rows": rows})
        return
    print_table(*_page(rows))


def _both(
    lm: LanguageModel, spec: SteeringSpec, prompts: list[str], force: bool, how: dict[str, Any]
) -> list[dict[str, Any]]:
    from saesteer.steering import side_by_side

    return [asdict(pair) for pair in side_by_side(lm, spec, prompts, force=force, **how)]


def _plain(lm: LanguageModel, prompts: list[str], how: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"request": row.request, "sample": row.sample, "prompt": row.prompt, "unsteered": row.text}
        for row in lm.generate(prompts, **how)
    ]


def _prompts(prompt: list[str] | None, file: Path | None) -> list[str]:
    from saesteer.cli.inputs import read_lines

    given = [options.check_unicode(each, "--prompt") for each in prompt or ()]
    given += read_lines(file) if file is not None else []
    if not given:
        raise InputError("there is no prompt; give --prompt TEXT or --prompts FILE")
    return given


def _spec(path: Path, strength: float | None) -> SteeringSpec:
    from saesteer.steering import load_spec

    found = load_spec(path)
    return found if strength is None else found.with_strength(strength)


def _page(rows: list[dict[str, Any]]) -> list[RenderableType]:
    """A table per prompt: a column of steered texts beside that of unsteered ones, where there are any."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    sides = [side for side in ("unsteered", "steered") if side in rows[0]]
    tables: dict[int, Table] = {}
    for row in rows:
        if row["request"] not in tables:
            title = Text(visible(row["prompt"]), style="bold")
            table = Table(
                title=title, title_justify="left", box=box.SIMPLE_HEAD, expand=True, show_lines=True
            )
            for side in sides:
                table.add_column(side, ratio=1)
            tables[row["request"]] = table
        cells = (Text(visible(row[side]).strip()) for side in sides)
        tables[row["request"]].add_row(*cells)
    return list(tables.values())
