"""`saesteer interpret`: cache, explain, score and report in one go, by a file or by flags."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import interpreting, options
from saesteer.cli.inputs import plain_value, settings_of
from saesteer.cli.interpreting import Answers, Client, DryRun, Examples, RetryFailed
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.cache import Progress as CacheProgress
    from saesteer.cli.terminal import Steps

_FILES: Final = (".yaml", ".yml", ".json")


def interpret(
    config: Annotated[
        str | None,
        typer.Argument(help="A YAML file with the whole plan, or a model: world.", show_default=False),
    ] = None,
    over: options.Over = None,
    sae: Annotated[
        list[str] | None,
        typer.Option("--sae", help="SOURCE or NAME=SOURCE; repeatable; default: world/layers.3."),
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(help="Texts: .txt, .jsonl, .csv, .parquet or hf:NAME; default for world: its stories."),
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="How many to read: 200_000 or 2e5.")] = None,
    cache: Annotated[Path | None, typer.Option(help="A finished cache, in place of texts.")] = None,
    latents: Annotated[
        str | None, typer.Option(help="How many of each SAE, or all, or a list: 3,5,10-20.")
    ] = None,
    explainer: Annotated[
        str | None, typer.Option("--explainer", "-e", help="See saesteer explain --help.")
    ] = None,
    scorer: Annotated[
        list[str] | None, typer.Option("--scorer", "-s", help="See saesteer score --help; repeatable.")
    ] = None,
    client: Client = None,
    answers: Answers = None,
    preset: Annotated[str | None, typer.Option(help="Of examples: reference or article.")] = None,
    setting: Examples = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Latents under way at once.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the draw of latents.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder of the run; default: interpretation.")
    ] = None,
    report: Annotated[
        bool | None, typer.Option("--report/--no-report", help="Write report.html.", show_default=False)
    ] = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    device: options.Device = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = None,
    json: options.Json = False,
) -> None:
    """Cache, explain, score and report, in one go.

    Run again with the same options, it goes on where it was stopped. --dry-run makes the cache, which asks
    nobody, and says what the rest would ask.

    Example: saesteer interpret world --sae world/layers.3 --latents 64

    Example: saesteer interpret plan.yaml --client openai:gpt-4o-mini --dry-run
    """
    flags: dict[str, Any] = {
        "texts": texts,
        "tokens": None if tokens is None else plain_value("--tokens", tokens),
        "cache": cache and str(cache),
        "latents": None if latents is None else interpreting.latents_of(latents),
        "explainer": explainer,
        "scorers": scorer,
        "preset": preset,
        "parallel": parallel,
        "seed": seed,
        "out": out and str(out),
        "report": report,
        "device": device,
        "dtype": dtype,
    }
    typed = (
        {"with": over}
        | flags
        | {"sae": sae, "latents": latents, "scorer": scorer, "client": client, "answers": answers}
    )
    command = _command(config, {**typed, "scorers": None, "set": setting})
    given = _plan(config, over) | {name: value for name, value in flags.items() if value is not None}
    if sae:
        given["saes"] = _saes(sae)
    if changed := settings_of(setting or ()):
        given["examples"] = {**given.get("examples", {}), **changed}
    if client is not None or answers is not None:
        line = client if client is not None else given.get("client")
        given["client"] = interpreting.client_of(line, answers, given.get("model", options.MODEL))
    _run(given, retry_failed, dry_run, json, command)


def _plan(config: str | None, over: list[Path] | None) -> dict[str, Any]:
    """The file's fields with others laid over them, or the model's name."""
    from saesteer.cli.inputs import fields_of

    file = config if config is not None and config.endswith(_FILES) else None
    found = fields_of(file, over)
    return found if file is not None or config is None else {"model": config}


def _saes(given: list[str]) -> list[str] | dict[str, str]:
    named = interpreting.named_saes([each for each in given if "=" in each])
    if named and len(named) < len(given):
        raise InputError("give every --sae a name (NAME=SOURCE), or none")
    return {str(name): source for name, source in named.items()} if named else given


def _run(given: dict[str, Any], retry_failed: bool, dry_run: bool, json: bool, command: str) -> None:
    from saesteer.cli.inputs import quiet
    from saesteer.cli.terminal import progress
    from saesteer.settings import load_settings

    with progress() as bar:
        bar.step("loading")
        from saesteer.pipeline.interpretation.config import InterpretConfig
        from saesteer.pipeline.interpretation.interpret import REPORT, Watch, prepare

        given.setdefault("device", load_settings().device)
        plan = InterpretConfig.from_dict(given)
        folder = Path(plan.out)
        options.check_folder(folder)
        quiet()
        with interpreting.resumable(folder):
            tell = interpreting.shown_progress(bar, "explaining and scoring")
            watch = Watch(bar.step, _caching(bar), tell, bar.report)
            prepared = prepare(plan, retry_failed, watch)
            planned = prepared.job.plan() if dry_run else None
            found = None if dry_run else prepared.run(watch, command)
    if planned is not None:
        interpreting.show_plan(planned, json)
    elif found is not None:
        interpreting.show_results(found, folder, folder / REPORT if plan.report else None, json)


def _caching(bar: Steps) -> Any:
    def tell(progress: CacheProgress) -> None:
        from saesteer.pipeline.interpretation.progress import lasting

        left = "" if progress.left is None else f" · {lasting(progress.left)} left"
        label = f"caching · {progress.rate:,.0f} tokens/s · {progress.bytes:,} bytes{left}"
        bar.report(label, progress.tokens, progress.of)

    return tell


def _command(config: str | None, typed: dict[str, Any]) -> str:
    """What was typed, as the report quotes it."""
    parts = ["saesteer", "interpret", *([] if config is None else [config])]
    for name, value in typed.items():
        if isinstance(value, bool):
            parts.append(f"--{name}" if value else f"--no-{name}")
        else:
            several = value if isinstance(value, list) else [] if value is None else [value]
            parts += [part for each in several for part in (f"--{name}", str(each))]
    return shlex.join(parts)
