"""One concept by one method: build, try on one half, choose over all seeds, measure on the other half.

Every part is kept in the cell's folder and found there again; `cell.json` says how it ended.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from saesteer.errors import SaesteerError
from saesteer.evaluation import (
    Arm,
    Setting,
    SideEffects,
    SweepResult,
    choose,
    evaluate,
    join,
    judge_rows,
)
from saesteer.evaluation.rows import Half
from saesteer.judges.foretelling import Asked, spent
from saesteer.pipeline.experiment.behind import LATENT, keep_latent
from saesteer.pipeline.experiment.beside import measured_beside
from saesteer.pipeline.experiment.building import Built, build
from saesteer.pipeline.experiment.planning import CELL, Cell
from saesteer.pipeline.experiment.setup import Report, Setup
from saesteer.runs import plain, write_json, write_text
from saesteer.runs.stage import forget

TRIED: Final = "tried"
TESTED: Final = "tested"
ERROR: Final = "error.txt"


@dataclass(frozen=True)
class Spent:
    """What some work took."""

    seconds: float = 0.0
    texts: int = 0
    tokens: int = 0
    requests: int = 0
    judge_tokens: int = 0
    money: float | None = None


def run_cell(setup: Setup, cell: Cell, base: SweepResult, report: Report) -> dict[str, Any]:
    """The record of a cell, which is written to its folder too; an error is a record, not raised."""
    folder = setup.out / cell.folder
    start, before = time.monotonic(), judging(setup)
    record: dict[str, Any] = {
        "digest": cell.digest,
        "model": setup.lm.fingerprint(),
        "concept": cell.subject.concept.name,
        "method": cell.method.name,
        "error": None,
    }
    (folder / ERROR).unlink(missing_ok=True)
    try:
        record |= _work(setup, cell, folder, base, report)
    except Exception as error:
        record["error"] = error_line(error)
        if not isinstance(error, SaesteerError):
            write_text(folder / ERROR, traceback.format_exc())
    record["spent"] = replace(
        spent_since(setup, before), seconds=time.monotonic() - start, **record.pop("written", {})
    )
    found: dict[str, Any] = plain(record)
    write_json(folder / CELL, found)
    return found


def _work(setup: Setup, cell: Cell, folder: Path, base: SweepResult, report: Report) -> dict[str, Any]:
    config = setup.config
    built = {seed: build(setup, cell, seed, folder) for seed in config.seeds}
    arms = {seed: each.arms for seed, each in built.items()}
    saes = {name: sae.fingerprint() for each in built.values() for name, sae in each.saes.items()}
    tried = _swept(setup, cell, built, arms, "selection", config.samples.selection, report)
    tried.save(folder / TRIED)
    choice = choose(tried, config.asked, config.aim)
    units = sorted({_unit(arm) for each in arms.values() for arm in each})
    record: dict[str, Any] = {"unit": units[0] if len(units) == 1 else "", "chosen": choice.setting}
    record |= {"beside": None, "latent": None, "written": written(tried), "saes": saes}
    record["files"] = files_below(setup.out, folder / TRIED)
    if choice.setting is None:
        return record
    chosen = {seed: _chosen(each, choice.setting) for seed, each in arms.items()}
    tested = _swept(setup, cell, built, chosen, "test", config.samples.test, report)
    tested = SweepResult.load(tested.save(folder / TESTED))
    concepts = {cell.subject.concept.name: cell.subject.concept}
    for judge in setup.inputs.judges:
        judge_rows(tested, judge, concepts)
    found = measured_beside(setup, built, {seed: each[0] for seed, each in chosen.items()}, folder, base)
    record["written"] = written(tried, tested, beside=found)
    record["files"] += files_below(setup.out, folder / TESTED)
    if found is not None and found.folder is not None:
        record["beside"] = found.folder.relative_to(setup.out).as_posix()
        record["files"] += files_below(setup.out, found.folder)
    record["latent"] = keep_latent(setup, cell, chosen[config.seeds[0]][0].spec)
    if record["latent"] is not None:
        record["files"].append((folder / LATENT).relative_to(setup.out).as_posix())
    return record


def _swept(
    setup: Setup,
    cell: Cell,
    built: dict[int, Built],
    arms: dict[int, tuple[Arm, ...]],
    half: Half,
    n: int,
    report: Report,
) -> SweepResult:
    """The arms of every seed on one half of the prompts."""
    config, found = setup.config, []
    for seed, each in arms.items():
        made = evaluate(
            setup.lm,
            each,
            setup.inputs.prompts,
            n,
            setup.inputs.judge,
            seed=seed,
            batch=config.batch,
            only=half,
            saes=built[seed].saes,
            folder=setup.out / cell.folder / "parts",
            progress=lambda done, total: report(f"{cell.where}: {half}", done, total),
            **config.writing_options,
        )
        found.append(some_judged(made))
    return join(found)


def some_judged(result: SweepResult) -> SweepResult:
    """The sweep; where every judgement failed it is thrown away, so that the next run tries it again."""
    if result.rows and all(not row.ok for row in result.rows):
        if result.folder is not None:
            forget(result.folder)
        first = result.rows[0].error
        raise SaesteerError(
            f"all {len(result.rows)} judgements failed ({first}); mend the judge and run again"
        )
    return result


def _chosen(arms: Sequence[Arm], setting: Setting) -> tuple[Arm, ...]:
    """The arm of the chosen variant, at the chosen strength alone."""
    arm = next(each for each in arms if each.variant == setting.variant)
    return (replace(arm, strengths=(setting.strength,)),)


def _unit(arm: Arm) -> str:
    units = {each.strength.unit for each in arm.spec.interventions} if arm.spec is not None else {""}
    return units.pop() if len(units) == 1 else ""


def written(*results: SweepResult, beside: SideEffects | None = None) -> dict[str, int]:
    """Texts and tokens of sweeps, and of what was continued for side effects."""
    tokens = [row.tokens for each in results for row in each.rows]
    if beside is not None:
        tokens += [row.tokens for row in beside.rows if row.kind == "written"]
    return {"texts": len(tokens), "tokens": sum(tokens)}


def files_below(out: Path, folder: Path) -> list[str]:
    """The files of a folder, from the run's: a part that lacks one is not finished."""
    found = (each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
    return sorted(each.relative_to(out).as_posix() for each in found)


def judging(setup: Setup) -> list[Asked]:
    """What each judge has cost so far."""
    return [spent(each) for each in (setup.inputs.judge, *setup.inputs.judges)]


def spent_since(setup: Setup, before: Sequence[Asked]) -> Spent:
    """What the judges have cost since."""
    requests, tokens, money = 0, 0, None
    for earlier, now in zip(before, judging(setup), strict=True):
        requests += now.requests - earlier.requests
        tokens += now.tokens - earlier.tokens
        if now.money is not None:
            money = (money or 0.0) + now.money - (earlier.money or 0.0)
    return Spent(requests=requests, judge_tokens=tokens, money=money)


def error_line(error: BaseException) -> str:
    """What an error says, in one line; the kind of one that is none of ours."""
    text = str(error) if isinstance(error, SaesteerError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500] or type(error).__name__
