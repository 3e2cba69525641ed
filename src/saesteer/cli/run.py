"""`saesteer run`: an experiment of a YAML file, planned, estimated, run and reported; it resumes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.errors import InputError, SaesteerError

if TYPE_CHECKING:
    from saesteer.pipeline.experiment import Estimate, ExperimentRun, Prepared
    from saesteer.pipeline.experiment.planning import Cell


def run(
    experiment: Annotated[
        Path, typer.Argument(help="A YAML file (docs/experiments.md).", show_default=False)
    ],
    over: options.Over = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE over both, such as samples.test=4; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder of the run; default: the file's name.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print plan and estimate; write nothing, ask nobody.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="Processes, each with a model of its own.")] = 1,
    devices: Annotated[
        str | None, typer.Option(help="One process per device, with commas: cuda:0,cuda:1.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Run an experiment: concepts by methods by strengths by judges.

    Run again with the same --out, it goes on where it was stopped, and tries again what failed. The exit code
    is 1 where a method failed on a concept; everything else is in the report all the same.

    Example: saesteer run experiment.yaml --dry-run

    Example: saesteer run experiment.yaml --with twin.yaml --out runs/first --processes 2
    """
    from saesteer.cli.inputs import quiet
    from saesteer.cli.interpreting import resumable
    from saesteer.cli.terminal import print_json, print_table, progress

    folder = out or Path("runs") / experiment.stem
    if not dry_run:
        options.check_folder(folder)
    with progress() as bar:
        bar.step("reading the experiment")
        quiet()
        from saesteer.pipeline.experiment import Places, prepare, read_experiment

        named = () if devices is None else _devices(devices)
        config = read_experiment(experiment, over or (), setting or ())
        prepared = prepare(config, folder, Places(processes, named))
        if not dry_run:
            prepared.check_free()
        bar.step("estimating")
        foretold, why = _estimate(prepared, dry_run)
        if not json:
            print_table(*_plan_lines(prepared, foretold, why))
        if dry_run:
            if json:
                print_json(_planned(prepared, foretold, why))
            return
        command = _command(experiment, over, setting, folder)
        with resumable(folder):
            found = prepared.run(bar.report, command, foretold)
    tell(found, json)


def tell(found: ExperimentRun, json: bool) -> None:
    """How a run ended: what was found, where the report lies, what it took; failures end the command."""
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.pipeline.experiment import report_of, table_rows
    from saesteer.report import summary
    from saesteer.report.words import duration

    report, lost = found.told or report_of(found), found.about["attempts"][-1].get("lost", [])
    failures = found.failed
    if json:
        told = {"report": found.report, "cells": len(found.cells), "failures": failures}
        told |= {"lost_processes": lost, "cost": report.cost}
        print_json(told | {"results": table_rows(report)})
    else:
        took = f", {duration(report.cost.seconds)} for {report.cost.texts:,} texts" if report.cost else ""
        lines = [f"\n{each}" for each in lost]
        print_table(summary(report), *lines, f"\nReport: {found.report}{took}")
    if failures:
        first = failures[0]
        raise SaesteerError(
            f"{len(failures)} of {len(found.cells)} pairs of concept and method failed, such as "
            f"{first['where']}: {first['what']}; the same command tries them again"
        )


def _devices(text: str) -> tuple[str, ...]:
    """Names with commas; InputError where there is none, or nothing between two commas."""
    found = tuple(each.strip() for each in text.split(","))
    if not all(found):
        raise InputError(
            f"--devices are names with commas, got {text!r}; give cuda:0,cuda:1, or leave it out"
        )
    return found


def _estimate(prepared: Prepared, dry_run: bool) -> tuple[Estimate, str]:
    """With a rate where the model can be loaded; else why not, which ends any run but a dry one."""
    try:
        _ = prepared.setup  # with the model
    except InputError as error:
        if not dry_run:
            raise
        return prepared.estimate(), str(error)
    prepared.check()
    return prepared.estimate(prepared.rate() if prepared.estimate().texts else None), ""


def _plan_lines(prepared: Prepared, foretold: Estimate, why: str) -> list[str]:
    """The plan and the estimate, as people read them, in 80 columns."""
    from saesteer.report.words import counted

    plan, config = prepared.plan, prepared.config
    lines = [
        f"{config.title}: " + ", ".join(counted(count, noun) for noun, count in _sizes(prepared).items()),
        f"  {'concept · method':40} {'settings':>8} {'choose':>7} {'test':>6} {'beside':>6}",
    ]
    left = {each.folder for each in prepared.left}
    for each in plan.cells:
        counts = each.counts
        done = "" if each.folder in left else "  done"
        settings = each.variants * len(each.strengths)
        lines.append(
            f"  {_where(each):40} {settings:8} {counts.selection:7} {counts.test:6} {counts.beside:6}{done}"
        )
    lines.append(f"  {'the plain model':40} {'':8} {plan.base:7}")
    lines += [f"  {note}" for note in plan.notes]
    if needs := prepared.inputs.needs:
        lines.append(f"from the network, unless it is in the local cache: {', '.join(needs)}")
    if why:
        lines.append(f"no time is estimated, since the model cannot be loaded here: {why}")
    return [*lines, _estimated(prepared, foretold), ""]


def _sizes(prepared: Prepared) -> dict[str, int]:
    config = prepared.config
    return {
        "concept": len(prepared.inputs.subjects),
        "method": len(config.methods),
        "prompt": len(prepared.inputs.prompts),
        "seed": len(config.seeds),
    }


def _where(cell: Cell) -> str:
    """Concept and method in 40 letters."""
    from saesteer.report.words import cut

    method = cut(cell.method.name, 18)
    return f"{cut(cell.subject.concept.name, 37 - len(method))} · {method}"


def _estimated(prepared: Prepared, foretold: Estimate) -> str:
    parts = [f"{foretold.texts:,} texts of about {foretold.tokens:,} tokens"]
    if foretold.requests:
        parts.append(
            f"up to {foretold.requests:,} requests of about {foretold.judge_tokens:,} tokens to judges"
        )
    if foretold.money is not None:
        parts.append(f"about {foretold.money:.2f} in the currency of the prices")
    if foretold.seconds is not None:
        number = len(prepared.places.all)
        share = foretold.seconds / number
        parts.append(
            f"about {_time(share)}"
            + (f" by {number} processes" if number > 1 else "")
            + ", beside what methods take to find their specs"
        )
    return f"left to do: {foretold.cells} of {len(prepared.plan.cells)} pairs; {'; '.join(parts)}"


def _time(seconds: float) -> str:
    from saesteer.report.words import counted

    if seconds < 120:
        return counted(round(seconds), "second")
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


def _planned(prepared: Prepared, foretold: Estimate, why: str) -> dict[str, Any]:
    left = {each.folder for each in prepared.left}
    cells = [
        {"concept": each.subject.concept.name, "method": each.method.name, "variants": each.variants,
         "strengths": each.strengths, "counts": each.counts, "finished": each.folder not in left}
        for each in prepared.plan.cells
    ]  # fmt: skip
    record = {"cells": cells, "base": prepared.plan.base, "notes": prepared.plan.notes}
    return record | {"needs": prepared.inputs.needs, "estimate": foretold, "not_loaded": why or None}


def _command(experiment: Path, over: list[Path] | None, setting: list[str] | None, out: Path) -> str:
    """What was typed, as the report quotes it."""
    parts = ["saesteer", "run", str(experiment)]
    parts += [part for each in over or () for part in ("--with", str(each))]
    parts += [part for each in setting or () for part in ("--set", each)]
    return shlex.join([*parts, "--out", str(out)])
