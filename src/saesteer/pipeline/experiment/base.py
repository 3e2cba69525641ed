"""The plain model's texts, written once and judged for every concept."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from saesteer.errors import InputError
from saesteer.evaluation import SweepResult, baseline, join, judge_rows
from saesteer.evaluation.result import PROVENANCE, ROWS
from saesteer.pipeline.experiment.cell import Spent, judging, some_judged, spent_since, written
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.planning import BASE, CELL, Plan
from saesteer.pipeline.experiment.setup import Report, Setup
from saesteer.runs import write_json


def run_base(setup: Setup, plan: Plan, report: Report) -> tuple[SweepResult, Spent]:
    """The texts of all seeds with the judgements of every concept and judge, and what they took."""
    config, folder = setup.config, setup.out / BASE
    start, before = time.monotonic(), judging(setup)
    concepts = list(setup.inputs.concepts.values())
    found = [
        some_judged(
            baseline(
                setup.lm,
                concepts,
                setup.inputs.prompts,
                config.samples.base,
                setup.inputs.judge,
                seed,
                batch=config.batch,
                folder=folder / "parts",
                progress=lambda done, total: report("the plain model", done, total),
                **config.writing_options,
            )
        )
        for seed in config.seeds
    ]
    base = SweepResult.load(join(found).save(folder))
    check_coherence(config, base)
    for judge in setup.inputs.judges:
        judge_rows(base, judge, setup.inputs.concepts)
    files = [f"{BASE}/{each}" for each in (ROWS, PROVENANCE)]
    write_json(folder / CELL, {"digest": plan.base_digest, "model": setup.lm.fingerprint(), "files": files})
    one = base.where(concept=concepts[0].name)  # the others' rows are of the same texts
    seconds = time.monotonic() - start
    return base, replace(spent_since(setup, before), seconds=seconds, **written(one))


def check_coherence(config: ExperimentConfig, written: SweepResult) -> None:
    """InputError where settings are to keep a coherence that the judge does not give, before any is tried."""
    good = [row for row in written.rows if row.ok]
    if config.coherence and good and all(row.coherence is None for row in good):
        raise InputError(
            "the judge gives no coherence, which chosen settings are to keep; combine it with one that does, "
            "such as combined[coherence=oracle]:JUDGE, or give coherence: 0"
        )


def load_base(out: Path) -> SweepResult:
    """What `run_base` kept."""
    return SweepResult.load(out / BASE)
