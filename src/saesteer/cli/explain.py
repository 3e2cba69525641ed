"""`saesteer explain`: latents of a cache to explanations in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saesteer.cli import inputs, interpreting, options
from saesteer.cli.interpreting import (
    PARALLEL,
    Answers,
    Client,
    DryRun,
    Examples,
    Latents,
    Parallel,
    Preset,
    RetryFailed,
    Saes,
)


def explain(
    cache: Annotated[Path, typer.Argument(help="A folder that saesteer cache has made.")],
    explainer: Annotated[
        str,
        typer.Option(
            "--explainer",
            "-e",
            help="token_statistics, default, single_token, contrastive, no_op, folder:DIR, random[:DIR], "
            "best_of; with options: default[reasoning=true].",
        ),
    ] = "token_statistics",
    client: Client = None,
    answers: Answers = None,
    latents: Latents = "64",
    preset: Preset = "reference",
    setting: Examples = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of results.")] = Path("interpretation"),
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="With --sae: say what latents promote.", show_default=False),
    ] = None,
    sae: Saes = None,
    parallel: Parallel = PARALLEL,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of latents.")] = 0,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Say in words what latents of a cache stand for.

    Run again with the same options, it goes on where it was stopped.

    Example: saesteer explain interpretation/cache-0a1b2c3d4e5f --latents 64 --out interpretation

    Example: saesteer explain CACHE -e default --client openai:gpt-4o-mini --latents 3,5,10-20 --out DIR
    """
    from saesteer.cli.terminal import progress

    options.check_folder(out)
    changed = inputs.settings_of(setting or ())
    with interpreting.resumable(out), progress() as bar:
        bar.step("loading")
        from saesteer.pipeline.interpretation.preparing import opened, prepare_explaining, settings_of
        from saesteer.pipeline.interpretation.results import Results

        settings = settings_of({"preset": preset, **changed})
        found = opened(cache)
        tools = interpreting.tools_of(found, client, answers, model, sae, device, dtype, bar)
        asked = interpreting.latents_of(latents)
        job = prepare_explaining(
            found, explainer, Results(out), tools, asked, settings, parallel, seed, retry_failed
        )
        plan = job.plan() if dry_run else None
        results = None if dry_run else job.run(interpreting.shown_progress(bar, "explaining"))
    if plan is not None:
        interpreting.show_plan(plan, json)
    elif results is not None:
        interpreting.show_results(results, out, None, json)
