"""`saesteer train`: SAEs from a language model's activations, many at once, by one file or by flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.cli.inputs import plain_value, settings_of
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.cli.terminal import Steps
    from saesteer.training import TrainMetrics, TrainResult

_FIRST_STORY: Final = 70_000_000  # stories of the world that neither its model nor its SAEs were trained on


def train(
    config: Annotated[
        Path | None, typer.Argument(help="A YAML file with the whole plan.", show_default=False)
    ] = None,
    over: options.Over = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The model: world, a folder or an id.", show_default=False),
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(help="Texts: .txt, .jsonl, .csv, .parquet or hf:NAME; default for world: its stories."),
    ] = None,
    store: Annotated[str | None, typer.Option(help="A folder of stored activations instead.")] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Hookpoints: layers.3, or patterns such as 'layers.*'; repeatable."),
    ] = None,
    architecture: Annotated[
        list[str] | None,
        typer.Option(
            "--architecture",
            "-a",
            help="standard, gated, topk, batchtopk, matryoshka, jumprelu; repeatable.",
        ),
    ] = None,
    d_sae: Annotated[list[int] | None, typer.Option(min=1, help="Number of latents; repeatable.")] = None,
    k: Annotated[list[int] | None, typer.Option("-k", min=1, help="Latents per token; repeatable.")] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="Of the start; repeatable.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of the SAE: l1=3, lr=1e-3; repeatable."),
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="How many to train on: 5_000_000 or 5e6.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=2, help="Tokens of a batch.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the run.")] = None,
    log: Annotated[
        list[str] | None, typer.Option(help="jsonl, tensorboard, wandb; repeatable; default: jsonl.")
    ] = None,
    device: options.Device = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="Of the model; an SAE is float32.")] = None,
    json: options.Json = False,
) -> None:
    """Train SAEs on a model's activations, several from one pass.

    Run again with the same options, it goes on where it was stopped. Several processes: torchrun
    --nproc-per-node 2 --no-python saesteer train ...

    Example: saesteer train --at layers.3 -a topk --d-sae 2048 -k 32 --tokens 5e6 --out runs/first

    Example: saesteer train plan.yaml --log tensorboard --json
    """
    from saesteer.cli.inputs import fields_of

    given = fields_of(config, over)
    flags: dict[str, Any] = {
        "model": model,
        "texts": texts,
        "store": store,
        "at": at,
        "tokens": None if tokens is None else plain_value("--tokens", tokens),
        "logs": log,
    }
    flags |= {"batch_tokens": batch_tokens, "device": device, "dtype": dtype, "out": out and str(out)}
    given |= {name: value for name, value in flags.items() if value}
    entry = _entry(architecture, d_sae, k, seeds, setting)
    if entry:
        if "saes" in given:
            raise InputError(
                "the file names saes, so --architecture, --d-sae, -k, --seed and --set have no place"
            )
        given["saes"] = [entry]
    results = _run(given)
    _show(results, given["out"], json)


def _entry(
    architecture: list[str] | None,
    d_sae: list[int] | None,
    k: list[int] | None,
    seeds: list[int] | None,
    setting: list[str] | None,
) -> dict[str, Any]:
    """The SAEs that the flags mean; nothing where no flag is about one."""
    entry: dict[str, Any] = {}
    listed = {"architecture": architecture, "d_sae": d_sae, "k": k, "seed": seeds}
    for name, values in listed.items():
        if values:
            entry[name] = values[0] if len(values) == 1 else list(values)
    entry |= settings_of(setting or ())
    if entry and not architecture:
        raise InputError("--architecture is missing; it is one of standard, gated, topk, batchtopk, ...")
    return entry


def _run(given: dict[str, Any]) -> dict[str, TrainResult]:
    from saesteer.cli.inputs import quiet
    from saesteer.cli.terminal import progress
    from saesteer.settings import load_settings

    if not given.get("out"):
        raise InputError("--out is missing; name the folder of the run")
    options.check_output(Path(str(given["out"])) / "plan.json")
    with progress() as bar:
        bar.step("loading")
        quiet()
        from saesteer.training.plan import TrainPlan
        from saesteer.training.run import run_plan

        given.setdefault("device", load_settings().device)
        plan = TrainPlan.from_dict(given)
        own = plan.texts is None and plan.store is None and plan.model in (None, "world")
        return run_plan(plan, _Stories() if own else None, logs=[_Bar(bar, plan.tokens)])


class _Stories:
    """Endless stories of the embedded world."""

    def __iter__(self) -> Iterator[str]:
        from saesteer.world.story import tell

        seed = _FIRST_STORY
        while True:
            yield tell(seed).text
            seed += 1


class _Bar:
    """A log that is the progress bar: the SAE that last said something."""

    def __init__(self, bar: Steps, tokens: int) -> None:
        self.bar, self.tokens = bar, tokens
        self.before: dict[str, TrainMetrics] = {}

    def begin(self, name: str, earlier: Sequence[TrainMetrics]) -> None:
        if earlier:
            self.before[name] = earlier[-1]

    def write(self, name: str, metrics: TrainMetrics) -> None:
        pace = metrics.tokens_per_second(self.before.get(name))
        self.before[name] = metrics
        label = (
            f"{name}  {pace:,.0f} tokens/s  loss {metrics.loss:.3f}  fvu {metrics.fvu:.3f}  "
            f"l0 {metrics.l0:.1f}  dead {metrics.dead:.1%}"
        )
        self.bar.report(label, metrics.tokens, self.tokens)

    def close(self) -> None:
        return


def _show(results: dict[str, TrainResult], out: str, json: bool) -> None:
    from dataclasses import asdict

    from saesteer.cli.terminal import print_json, print_table
    from saesteer.training.workers import rank

    if rank():
        return
    if json:
        print_json(
            {
                name: {"folder": str(Path(out) / name), **asdict(each.metrics[-1])}
                for name, each in results.items()
            }
        )
        return
    from rich.table import Table

    table = Table("SAE", "tokens", "FVU", "L0", "dead", "tokens/s")
    for name, each in results.items():
        last = each.metrics[-1]
        pace = f"{last.tokens_per_second():,.0f}"
        table.add_row(name, f"{last.tokens:,}", f"{last.fvu:.4f}", f"{last.l0:.1f}", f"{last.dead:.1%}", pace)
    print_table(table, f"\nEach lies below {out}; the best of its run in best/")
