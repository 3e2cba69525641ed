"""`saesteer effects tasks | bias`: what task configs of SAE-TS hold, what an approximator's bias is worth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.effects import Task
    from saesteer.effects.tasks import LatentTarget


def tasks(
    folder: Annotated[
        Path, typer.Argument(help="Task configs: a task's folder, a model's, or one of models.")
    ],
    json: options.Json = False,
) -> None:
    """List the task configs of SAE-TS in a folder, and what they need from the network.

    Nothing is loaded or fetched; the hub's local cache is looked into.

    Example: saesteer effects tasks steer_cfgs/gemma2
    """
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.cli.words import one_line
    from saesteer.effects import needs_of, read_tasks

    found = read_tasks(folder)
    needs = needs_of(found)
    if json:
        print_json({"tasks": [_record(each) for each in found], "needs": [asdict(each) for each in needs]})
        return
    print_table(
        _table(found),
        "",
        "From the network:",
        *(
            one_line(f"{each.noun} {each.name}: {'' if each.cached else 'not '}in the local cache")
            for each in needs
        ),
    )


def bias(
    approximator: Annotated[
        str,
        typer.Argument(
            help="An approximator: its folder, an adapter's .pt file, or sae_ts/2b.", show_default=False
        ),
    ],
    directions: Annotated[int, typer.Option(min=2, help="Random directions to set beside it.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of those.")] = 0,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch published files from the Hugging Face Hub.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Set the bias direction of an approximator beside random directions, in predicted effects.

    Example: saesteer effects bias approximator
    """
    from saesteer.cli.effects_tables import bias_table
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.effects import bias_diagnostics, find_source
    from saesteer.effects.sources import open_approximator

    source = find_source("approximator", approximator, download=download)
    found = bias_diagnostics(open_approximator(source), directions, seed)
    if json:
        print_json({"sources": [source.about], "seed": seed, **asdict(found)})
        return
    print_table(source.about, bias_table(found))


def _table(found: tuple[Task, ...]) -> Table:
    """A line per task."""
    from rich.table import Table
    from rich.text import Text

    from saesteer.cli.words import one_line

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("task", "model", "at", "criteria", "texts", "SAE steering", "SAE-TS"):
        table.add_column(head, overflow="fold")
    for each in found:
        sides = each.concept and f"{len(each.concept.positive)} + {len(each.concept.negative)}"
        cells = [each.name, each.model or "-", each.hookpoint]
        cells += [", ".join(criterion.name for criterion in each.criteria), sides or "-"]
        cells += [_latents(each.features), _latents(each.optimised)]
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _latents(target: LatentTarget | None) -> str:
    """Latents with their weights, where those are not 1."""
    if target is None:
        return "-"
    return ", ".join(f"{i}" if weight == 1 else f"{i} x {weight:g}" for i, weight in target.latents)


def _record(task: Task) -> dict[str, Any]:
    record = asdict(task)
    return record | {"needs": task.needs}
