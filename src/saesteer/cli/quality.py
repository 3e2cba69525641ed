"""`saesteer quality`: what an SAE loses, how its latents fire, which concepts they are; ends with a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.evaluation.saes import SAEReport
    from saesteer.latents import ByColumn


PAGE: Final = "page.html"
_NAME: Final = 16  # letters of a concept in the table


def quality(
    sae: Annotated[str, typer.Argument(help=options.SOURCE)],
    model: options.Model = options.MODEL,
    at: options.At = None,
    texts: Annotated[
        str | None,
        typer.Option(help="Texts: .txt, .jsonl, .csv, .parquet or hf:NAME; default for world: its stories."),
    ] = None,
    label_columns: Annotated[
        str | None,
        typer.Option(help="Columns with commas, each a concept: numbers from 0 to 1, empty where unknown."),
    ] = None,
    tokens: Annotated[int, typer.Option(min=100, help="How many tokens to read.")] = 60_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the two halves of the texts.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the figures and page.html to this folder.")
    ] = None,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Measure an SAE: loss, dead latents, concepts, absorption.

    Latents are matched to concepts, and probed for them, on one half of the texts and measured on the other.

    Example: saesteer quality world/layers.3 --out quality

    Example: saesteer quality ./my-sae -m ./my-model --texts labelled.csv --label-columns sea,war --json
    """
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.cli.terminal import print_json, print_table, progress

    labeller = _labeller(label_columns, texts)
    if texts is None and model != "world":
        raise InputError(
            f"there are no texts for the model {model!r}; give --texts FILE (.txt, .jsonl, .csv)"
        )
    if out is not None:
        options.check_output(out / PAGE)
    with progress(tokens) as bar:
        bar.report(f"loading {model} and {sae}", 0, tokens)
        lm, found = open_model(model, device, dtype), open_sae(sae, device)
        from saesteer.evaluation.saes import sae_quality

        documents = None if texts is None else _Texts(texts)
        result = sae_quality(
            lm, found, documents, labeller, tokens=tokens, at=at, seed=seed, progress=bar.report
        )
        page = None if out is None else _write(result, out, sae, tokens)
    if json:
        print_json(_record(result, sae, model) | {"page": page})
        return
    print_table(*_lines(result, sae))
    if page is not None:
        print_table(f"\npage: {page}")


class _Texts:
    """The documents of a source, read anew at each iteration."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __iter__(self) -> Any:
        from saesteer.text import read_texts

        return read_texts(self.source)


def _labeller(columns: str | None, texts: str | None) -> ByColumn | None:
    if columns is None:
        return None
    if texts is None:
        raise InputError("--label-columns are columns of --texts; give both")
    from saesteer.latents import ByColumn

    names = tuple(each.strip() for each in columns.split(",") if each.strip())
    if not names or len(set(names)) < len(names):
        raise InputError(f"--label-columns are different names with commas, got {columns!r}")
    return ByColumn(names)


def _write(result: SAEReport, out: Path, sae: str, tokens: int) -> Path:
    """The folder's files; the page shows the training where the SAE's folder has its records."""
    from saesteer.report import write_sae_page
    from saesteer.saes import recognise
    from saesteer.training.logs import read_metrics

    result.save(out)
    path = recognise(sae).path
    training = read_metrics(path if path.is_dir() else path.parent)
    return write_sae_page(result, out / PAGE, sae, training, f"saesteer quality {sae} --tokens {tokens}")


def _lines(result: SAEReport, sae: str) -> list[Any]:
    """Figures in sentences, then a line per concept; 80 columns."""
    from rich.padding import Padding
    from rich.text import Text

    from saesteer.report.sae_page import findings

    parts: list[Any] = [Text(one_line(sae), style="bold")]
    for line in findings(result):
        parts.append(Padding(Text(one_line(line)), (0, 0, 0, 2)))
    if result.rows:
        parts += [Text(), _table(result)]
    return parts


def _table(result: SAEReport) -> Table:
    from rich.table import Table
    from rich.text import Text

    from saesteer.evaluation.saes.result import cells

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    lines = [cells(row) for row in result.rows]
    for name in lines[0]:
        table.add_column(name, justify="left" if name == "concept" else "right", no_wrap=True)
    for line in lines:
        name = one_line(line.pop("concept"))
        short = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
        table.add_row(Text(short), *map(Text, line.values()))
    return table


def _record(result: SAEReport, sae: str, model: str) -> dict[str, Any]:
    return {
        "sae": sae,
        "model": model,
        "summary": result.summary,
        "about": result.about,
        "concepts": [row.flat() for row in result.rows],
        "left_out": result.left_out,
        "provenance": result.provenance,
    }
