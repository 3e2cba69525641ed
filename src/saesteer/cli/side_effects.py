"""`saesteer side-effects`: what a spec costs, at many strengths: fluency, distance, drift, repetition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.evaluation import SideEffects

_COLUMNS: Final = {
    "perplexity": "perplexity",
    "added_nats": "nats",
    "kl": "KL",
    "drift_share": "drift",
    "first_divergence": "diverges",
    "never_diverges": "never",
    "written_perplexity": "written",
    "repeated": "repeats",
}
"""Figure -> its column."""


def side_effects(
    spec: Annotated[Path, typer.Argument(help="The steering spec, .yaml or .json.", show_default=False)],
    strengths: Annotated[
        str, typer.Option(help="With commas, in the spec's unit; 0, the plain model, is always added.")
    ],
    texts: Annotated[
        Path | None, typer.Option(help="Texts to read: .txt (one per line), .jsonl, .csv.")
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts to continue, greedily.")] = None,
    sae: Annotated[
        str | None, typer.Option("--sae", help="An SAE that measures the drift of its latents.")
    ] = None,
    model: options.Model = options.MODEL,
    at: options.At = None,
    targets: Annotated[
        str | None,
        typer.Option(
            help="Latents that are meant to change, with commas; default: the spec's.", show_default=False
        ),
    ] = None,
    against: Annotated[
        float | None,
        typer.Option(callback=options.finite, help="First divergence also from this strength, such as 1."),
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens written after each prompt.")] = 50,
    window: Annotated[int, typer.Option(min=2, help="Of strided perplexity, at most the model's.")] = 8192,
    stride: Annotated[int, typer.Option(min=1, help="Of strided perplexity.")] = 512,
    limit: Annotated[int, typer.Option(min=1, help="Read this many texts and prompts at most.")] = 200,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the rows here; a killed run goes on where it stood.")
    ] = None,
    force: options.Force = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """What a spec costs: fluency, distance, drift of other latents.

    Each figure with its 95 % interval over texts is in --json and, with the rows, in --folder.

    Example: saesteer side-effects wedding.yaml --strengths 0.5,1,2 --texts stories.txt --sae world/layers.3

    Example: saesteer side-effects wedding.yaml --strengths 1,4 --prompts p.txt --against 1 --folder runs
    """
    from saesteer.cli.inputs import open_model, open_sae, read_lines
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.steering import load_spec

    values, meant = read_numbers("--strengths", strengths), _latents(targets)
    if texts is None and prompts is None:
        raise InputError("there is nothing to measure on; give --texts FILE, --prompts FILE, or both")
    if folder is not None:
        options.check_folder(folder)
    given = load_spec(spec)
    read, asked = ([] if path is None else read_lines(path)[:limit] for path in (texts, prompts))
    with progress() as bar:
        bar.report(f"loading {model}", 0, None)
        lm = open_model(model, device, dtype)
        measuring = None if sae is None else open_sae(sae, device)
        from saesteer.evaluation import side_effects as measured

        found = measured(
            lm, given, values, read, asked, measuring, tokens=tokens, against=against, window=window,
            stride=stride, at=at, targets=meant, force=force, folder=folder, progress=bar.report,
        )  # fmt: skip
    if json:
        print_json(_record(found))
        return
    print_table(*page(found))


def read_numbers(option: str, text: str) -> list[float]:
    """Finite numbers with commas, each once."""
    try:
        found = [float(each) for each in text.split(",") if each.strip()]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)) or len(set(found)) < len(found):
        raise InputError(f"{option} are different numbers with commas, got {text!r}; try 0.5,1,2")
    return found


def _latents(text: str | None) -> list[int] | None:
    if text is None:
        return None
    found = read_numbers("--targets", text)
    if any(each != int(each) or each < 0 for each in found):
        raise InputError(f"--targets are numbers of latents with commas, got {text!r}")
    return [int(each) for each in found]


def page(found: SideEffects) -> list[Any]:
    """A line per strength, then the latents that changed most; 80 columns."""
    from rich.padding import Padding
    from rich.text import Text

    first = found.summary[0]
    head = f"{first.read} texts of {first.tokens} tokens read, {first.written} written at each strength"
    lines = []
    for each in found.changed:
        most = ", ".join(f"{one.latent} ({one.before:.2g} → {one.after:.2g})" for one in each.off_target[:4])
        lines.append(f"strength {each.strength:g} changed most: {most or 'nothing'}")
    if found.folder is not None:
        lines.append(f"folder: {found.folder}")
    told = (Padding(Text(one_line(each)), (0, 0, 0, 2)) for each in lines)
    return [Text(head, style="bold"), Text(), _table(found), Text(), *told]


def _table(found: SideEffects) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    names = [name for name in _COLUMNS if any(name in each.figures for each in found.summary)]
    for column in ("strength", *(_COLUMNS[name] for name in names)):
        table.add_column(column, justify="right", no_wrap=True)
    for each in found.summary:
        figures = (each.figures.get(name) for name in names)
        cells = ("-" if figure is None else f"{figure.estimate:.3g}" for figure in figures)
        table.add_row(*map(Text, (f"{each.strength:g}", *cells)))
    return table


def _record(found: SideEffects) -> dict[str, Any]:
    return {
        "summary": found.summary,
        "changed": found.changed,
        "provenance": found.provenance,
        "folder": found.folder,
    }
