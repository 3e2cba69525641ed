"""`saesteer judge`: another judge is asked about the texts of a sweep; what it says is kept beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from saesteer.cli import options


def judge(
    folder: Annotated[
        Path, typer.Argument(metavar="SWEEP_FOLDER", help="Folder with rows.parquet.", show_default=False)
    ],
    by: Annotated[
        str,
        typer.Argument(
            metavar="JUDGE",
            help="oracle, regex:PATTERN, llm:openai:NAME, classifier[label=toxic]:FOLDER ...",
            show_default=False,
        ),
    ],
    concept: Annotated[
        list[str] | None,
        typer.Option(help="Concepts of the rows from files, where they are not the world's; repeatable."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Ask another judge about the texts of a sweep.

    What it says stands in judgements.jsonl in the folder. Texts that it judged before are not asked again; a
    killed call goes on where it stood.

    Example: saesteer judge runs/sweep-0123456789ab 'regex:wedding|bride'

    Example: saesteer judge runs/sweep-0123456789ab 'llm[cache=answers]:openai:gpt-4o-mini'
    """
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.evaluation import SweepResult, judge_rows
    from saesteer.evaluation.judgements import FILE, concepts_of
    from saesteer.judges import SpendingJudge, judge_name, open_judge
    from saesteer.text import load_concept

    result = SweepResult.load(folder)
    with open_judge(by) as asked, progress() as bar:
        concepts = concepts_of(result, [load_concept(each) for each in concept or ()])
        failed = judge_rows(
            result, asked, concepts, lambda done, total: bar.report("judging texts", done, total)
        )
    found: dict[str, Any] = {
        "judge": judge_name(asked),
        "rows": len(result.rows),
        "failed": len(failed),
        "file": folder / FILE,
        "spent": asked.spent if isinstance(asked, SpendingJudge) else None,
    }
    if json:
        print_json(found)
        return
    print_table(f"{found['judge']}: {len(result.rows) - len(failed)} of {len(result.rows)} rows are judged")
    if failed:
        print_table(f"failed: {len(failed)}, such as: {failed[0].error}")
    if found["spent"]:
        print_table(
            "spent: " + ", ".join(f"{name} {value}" for name, value in found["spent"].items() if value)
        )
    print_table(f"judgements: {found['file']}", f"Next: saesteer agree {folder}")
