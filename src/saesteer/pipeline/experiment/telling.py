"""What a run says of itself beside its figures: what to know, what failed, what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from saesteer.evaluation import SweepResult
from saesteer.evaluation.judgements import FILE
from saesteer.evaluation.result import ROWS
from saesteer.evaluation.rows import Row
from saesteer.pipeline.experiment.cell import TESTED, TRIED
from saesteer.pipeline.experiment.planning import BASE
from saesteer.pipeline.experiment.result import ExperimentRun, judgements_in
from saesteer.report.records import Cost, Failure


def notes_of(run: ExperimentRun) -> tuple[str, ...]:
    """What a reader should know beside the figures."""
    notes = list(run.about.get("notes", ()))
    attempts = run.about.get("attempts") or [{}]
    notes += [f"{each}; the others did its share" for each in attempts[-1].get("lost", ())]
    unfinished = sum(not each.record for each in run.cells)
    if unfinished:
        notes.append(f"{unfinished} of {len(run.cells)} pairs of concept and method are not done yet")
    pooled = dict.fromkeys(
        each.method.label_shown for each in run.cells if each.beside is not None and each.beside.seeds > 1
    )
    if pooled:
        notes.append(
            f"Side effects of {', '.join(pooled)} are of all {len(run.config.seeds)} seeds together; "
            "those of other methods are of one."
        )
    return tuple(notes)


def failures_of(run: ExperimentRun) -> tuple[Failure, ...]:
    """Cells without a result, judgements that failed, and what further judges could not say."""
    found = [
        Failure(
            f"{each.concept} · {each.method.name}",
            str(each.error),
            1,
            1,
            pair=(each.concept, each.method.name),
        )
        for each in run.failures
        if each.record
    ]
    found += judgements_that_failed("the plain model", run.base.rows, f"{BASE}/{ROWS}")
    found += _further(run, "the plain model", run.base, BASE)
    for cell in run.cells:
        where = f"{cell.concept} · {cell.method.name}"
        if cell.tried is not None:
            found += judgements_that_failed(
                f"{where}, selection half", cell.tried.rows, f"{cell.folder}/{TRIED}/{ROWS}"
            )
        if cell.tested is not None:
            found += judgements_that_failed(
                f"{where}, test half", cell.tested.rows, f"{cell.folder}/{TESTED}/{ROWS}"
            )
            found += _further(run, where, cell.tested, f"{cell.folder}/{TESTED}")
    return tuple(found)


def cost_of(run: ExperimentRun) -> Cost:
    """All attempts together; a part that was killed before it was noted is not in it."""
    told = [each for each in run.costs if "seconds" in each]
    money = [each["money"] for each in told if each.get("money") is not None]
    last = {each["what"]: each for each in told}  # texts that were found again are not written again
    return Cost(
        seconds=sum(each["seconds"] for each in told),
        texts=sum(each["texts"] for each in last.values()),
        tokens=sum(each["tokens"] for each in last.values()),
        requests=sum(each["requests"] for each in told),
        judge_tokens=sum(each["judge_tokens"] for each in told),
        money=sum(money) if money else None,
        estimated=run.about.get("estimate", {}),
    )


def judgements_that_failed(where: str, rows: Sequence[Row], link: str) -> list[Failure]:
    """Judgements that failed, by what was said first."""
    failed = Counter(str(row.error).partition(":")[0] for row in rows if row.error is not None)
    first = {
        str(row.error).partition(":")[0]: str(row.error) for row in reversed(rows) if row.error is not None
    }
    return [
        Failure(where, f"a judgement failed: {first[kind]}", n, len(rows), link) for kind, n in failed.items()
    ]


def _further(run: ExperimentRun, where: str, result: SweepResult, folder: str) -> list[Failure]:
    """What the further judges could not say of the rows in a folder."""
    found, said, ids = [], judgements_in(result), {row.id for row in result.rows}
    for judge in run.about["judges"][1:]:
        own = [each for each in said if each.fingerprint == judge["fingerprint"] and each.row in ids]
        odd = [each for each in own if each.error is not None]
        if odd:
            what = f"{judge['name']} failed: {odd[0].error}"
            found.append(Failure(where, what, len(odd), len(own), f"{folder}/{FILE}"))
    return found
