"""`saesteer score`: how well the explanations in a folder foretell their latents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saesteer.cli import interpreting, options
from saesteer.cli.interpreting import PARALLEL, Answers, Client, DryRun, Parallel, RetryFailed, Saes


def score(
    folder: Annotated[Path, typer.Argument(help="A folder that saesteer explain has made.")],
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            "-s",
            help="detection, fuzzing, intruder, simulation, surprisal, embedding, example_embedding, "
            "intervention; with options: fuzzing[negatives=active]; repeatable; default: detection, fuzzing.",
            show_default=False,
        ),
    ] = None,
    client: Client = None,
    answers: Answers = None,
    cache: Annotated[
        Path | None, typer.Option(help="The cache, where it no longer lies where it was.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="For scorers that read with it; default: that of the cache.",
            show_default=False,
        ),
    ] = None,
    sae: Saes = None,
    parallel: Parallel = PARALLEL,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Measure how well explanations foretell what their latents do.

    The scores are kept beside the explanations. Run again, it goes on where it was stopped.

    Example: saesteer score interpretation --scorer detection --scorer fuzzing

    Example: saesteer score interpretation -s embedding -s 'simulation[form=json]' --client openai:gpt-4o-mini
    """
    from saesteer.cli.terminal import progress

    with interpreting.resumable(folder), progress() as bar:
        bar.step("loading")
        from saesteer.pipeline.interpretation.preparing import (
            opened,
            prepare_scoring,
            recorded_cache,
            recorded_sources,
        )
        from saesteer.pipeline.interpretation.results import Results

        asked = scorer or ["detection", "fuzzing"]
        results = Results(folder)
        found = opened(cache if cache is not None else recorded_cache(results))
        if model is None and interpreting.need_a_model(asked):
            model = str(found.about.get("model") or options.MODEL)
        if model is not None and not sae:
            sae = [f"{name}={source}" for name, source in recorded_sources(results).items()]
        tools = interpreting.tools_of(found, client, answers, model, sae, device, dtype, bar)
        job = prepare_scoring(results, asked, tools, found, parallel, retry_failed)
        plan = job.plan() if dry_run else None
        scored = None if dry_run else job.run(interpreting.shown_progress(bar, "scoring"))
    if plan is not None:
        interpreting.show_plan(plan, json)
    elif scored is not None:
        interpreting.show_results(scored, folder, None, json)
