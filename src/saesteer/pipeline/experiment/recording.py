"""From a run on the disk to its report and its table. Knows records of results; draws nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from saesteer.errors import SaesteerError
from saesteer.evaluation import RowJudgement, SweepResult, figures
from saesteer.evaluation.judgements import FILE
from saesteer.evaluation.result import ROWS
from saesteer.evaluation.rows import Row
from saesteer.pipeline.experiment.asked import asked_lines
from saesteer.pipeline.experiment.behind import latent_behind
from saesteer.pipeline.experiment.cell import TESTED, TRIED
from saesteer.pipeline.experiment.planning import BASE
from saesteer.pipeline.experiment.result import (
    EXPERIMENT,
    REPORT,
    RUN,
    TABLE,
    CellResult,
    ExperimentRun,
    judgements_in,
    whole,
)
from saesteer.pipeline.experiment.table import write_table
from saesteer.pipeline.experiment.telling import cost_of, failures_of, notes_of
from saesteer.pipeline.experiment.versus import comparisons
from saesteer.report import (
    ConceptResult,
    LatentEvidence,
    MethodResult,
    Report,
    method_result,
    write_files,
    write_report,
)
from saesteer.report.markdown import FIGURES
from saesteer.report.records import BesideAim, JudgedBy, SeedFigures
from saesteer.report.words import counted
from saesteer.report.write_files import KINDS
from saesteer.runs import write_json
from saesteer.statistics import Interval, bootstrap_mean

MARKDOWN = "report.md"


def write_outcome(run: ExperimentRun) -> Report:
    """The report and the table of a run, in its folder; what it took is added to run.json."""
    record = report_of(run)
    errors = [(each.concept, each.method.name, str(each.error)) for each in run.failures]
    write_table(record, errors, run.folder / TABLE)
    write_report(record, run.folder / REPORT)
    write_files(record, run.folder)
    cost = cost_of(run)
    write_json(run.folder / RUN, {**run.about, "cost": cost, "failures": run.failed})
    return record


def forget_outcome(folder: Path) -> None:
    """Take away the pages and tables of what was run in a folder before, whose rows stay."""
    for name in (TABLE, REPORT, MARKDOWN):
        (folder / name).unlink(missing_ok=True)
    for each in (folder / FIGURES).glob("*"):
        if each.suffix.removeprefix(".") in KINDS:
            each.unlink()


def report_of(run: ExperimentRun) -> Report:
    """Everything that the report says; where no cell has a result, base rates and what failed."""
    named = [about for about in run.about["concepts"] if _has_base(run, about["name"])]
    if not named:
        raise SaesteerError(f"the plain model has no judged text in {run.folder}; run it again")
    found = [about for about in named if run.of(about["name"])]
    concepts = tuple(_concept(run, about) for about in found or named)
    config, about = run.config, run.about
    files = (
        ("every figure of this page as a table", TABLE),
        ("this page as Markdown, with its figures as files", MARKDOWN),
        ("the experiment", EXPERIMENT),
        ("the run", RUN),
    )
    return Report(
        title=config.title,
        subtitle=(
            f"{counted(len(run.about['concepts']), 'concept')}, {counted(len(config.methods), 'method')}"
        ),
        concepts=concepts,
        coherence=config.coherence,
        aim=config.aim,
        made=_when(about["attempts"][-1]),
        command=str(about.get("command", "")),
        provenance=_provenance(run),
        notes=notes_of(run),
        asked=asked_lines(run),
        versus=comparisons(run),
        failures=failures_of(run),
        cost=cost_of(run),
        files=files,
    )


def _when(attempt: Mapping[str, str]) -> str:
    """The end of an attempt, or its beginning where it has none yet, as people read it."""
    time = datetime.fromisoformat(attempt.get("finished") or attempt["started"]).astimezone(UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def _has_base(run: ExperimentRun, concept: str) -> bool:
    """Whether there is a base rate to hold results against."""
    return any(row.ok for row in run.base.rows if row.concept == concept)


def _concept(run: ExperimentRun, about: Mapping[str, Any]) -> ConceptResult:
    name = about["name"]
    base = run.base.where(concept=name)
    return ConceptResult(
        name=name,
        description=about["description"],
        base=figures(base.rows),
        base_rows=f"{BASE}/{ROWS}",
        methods=tuple(_method(run, cell, base) for cell in run.of(name)),
        latents=_latents(run, run.of(name)),
        words=tuple(about["words"]),
    )


def _latents(run: ExperimentRun, cells: Sequence[CellResult]) -> tuple[LatentEvidence, ...]:
    """Each latent that a chosen setting steers with, once, with the methods that do."""
    found: dict[tuple[str, int], LatentEvidence] = {}
    for cell in cells:
        if (source := cell.record.get("latent")) is not None:
            with whole(run.folder, cell.folder):
                one = latent_behind(run.folder, cell.folder, str(source))
            before = found.get((one.sae, one.latent), one)
            found[one.sae, one.latent] = replace(before, by=(*before.by, cell.method.label_shown))
    return tuple(found.values())


def _method(run: ExperimentRun, cell: CellResult, base: SweepResult) -> MethodResult:
    assert cell.tried is not None
    rows = (*cell.tried.rows, *(cell.tested.rows if cell.tested else ()))
    tried = f"{cell.folder}/{TRIED}/{ROWS}"
    tested = f"{cell.folder}/{TESTED}/{ROWS}"
    found = method_result(
        SweepResult(rows, {}),
        base,
        label=cell.method.label_shown,
        role=cell.method.role_shown,
        rows=tested,
        tried=tried,
        coherence=run.config.asked,
        aim=run.config.aim,
        unit=cell.record.get("unit", ""),
        goal=cell.method.goal if cell.method.goal is not None else run.config.goal,
    )
    if found.outcome is None:
        return found
    chosen = [row for row in rows if row.half == "test" and row.setting == found.outcome.setting]
    return replace(
        found,
        seeds=_seeds(chosen),
        judges=_judges(run, cell, chosen, base.rows),
        beside=_beside(cell),
    )


def _seeds(rows: Sequence[Row]) -> tuple[SeedFigures, ...]:
    """Of each seed with a judged sample; empty where there is one alone."""
    seeds = sorted({row.seed for row in rows if row.ok})
    if len(seeds) < 2:
        return ()
    found = {seed: figures([row for row in rows if row.seed == seed]) for seed in seeds}
    return tuple(
        SeedFigures(seed, f.samples, f.behaviour, f.coherence, f.failed) for seed, f in found.items()
    )


def _judges(
    run: ExperimentRun, cell: CellResult, rows: Sequence[Row], base: Sequence[Row]
) -> tuple[JudgedBy, ...]:
    """What each further judge says of the chosen setting and of the plain model."""
    of_cell, of_base = cell.judgements(), judgements_in(run.base)
    found = []
    for judge in run.about["judges"][1:]:
        mine = _figures(rows, of_cell, judge["fingerprint"])
        plain = _figures(base, of_base, judge["fingerprint"])
        link = f"{cell.folder}/{TESTED}/{FILE}"
        samples = sum(1 for row in rows if row.id in _said(of_cell, judge["fingerprint"]))
        failed = len(rows) - samples
        found.append(JudgedBy(judge["name"], samples, failed, mine, plain, link, f"{BASE}/{FILE}"))
    return tuple(found)


def _said(judgements: Sequence[RowJudgement], fingerprint: str) -> dict[str, RowJudgement]:
    return {each.row: each for each in judgements if each.fingerprint == fingerprint and each.error is None}


def _figures(
    rows: Sequence[Row], judgements: Sequence[RowJudgement], fingerprint: str
) -> dict[str, Interval]:
    """Means with intervals over prompts, of every figure that the judge gave."""
    said = _said(judgements, fingerprint)
    judged = [(row.prompt_id, said[row.id].figures) for row in rows if row.id in said]
    names = dict.fromkeys(name for _, figures in judged for name in figures)
    found = {}
    for name in names:
        pairs = [(prompt, figures[name]) for prompt, figures in judged if name in figures]
        groups, values = np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])
        found[name] = bootstrap_mean(values, groups)
    return found


def _beside(cell: CellResult) -> BesideAim | None:
    if cell.beside is None:
        return None
    # One strength stands beside 0: that which was chosen, or what stands for a prefix.
    strength = next((each.strength for each in cell.beside.summary if each.strength != 0.0), 0.0)
    mine, plain = cell.beside.at(strength), cell.beside.at(0.0)
    changed = [each for each in cell.beside.changed if each.strength == strength]
    latents = tuple((one.latent, one.change) for each in changed for one in each.off_target)
    return BesideAim(
        mine.figures, plain.figures, mine.read, mine.written, f"{cell.record['beside']}/{ROWS}", latents,
        cell.beside.seeds,
    )  # fmt: skip


def _provenance(run: ExperimentRun) -> dict[str, Any]:
    about, config = run.about, run.config
    saes = {
        name: f"{each.source}" + (f" at {each.at}" if each.at else "") for name, each in config.saes.items()
    }
    return {
        "model": f"{about['model']['name']} ({about['model']['fingerprint'][:12]})",
        **{f"SAE {name}": each for name, each in saes.items()},
        "judge": f"{about['judges'][0]['name']} ({about['judges'][0]['fingerprint'][:12]})",
        "prompts": str(about["prompts_sha256"])[:12],
        **{f"texts of {each['name']}": str(each["sha256"])[:12] for each in about["concepts"]},
        "seeds": ", ".join(map(str, config.seeds)),
        **about["versions"],
    }
