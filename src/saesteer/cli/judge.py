"""`saesteer judge`: another judge is asked about the texts of a sweep; what it says is kept beside them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.sweeps import sweeps_of


def judge(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a sweep, or of a run.", show_default=False)
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

    Of the folder of a run: about the test half of each of its methods, each kept beside its own texts.
    What it says stands in judgements.jsonl in the folder. Texts that it judged before are not asked again; a
    killed call goes on where it stood.

    Example: saesteer judge runs/sweep-0123456789ab 'regex:wedding|bride'

    Example: saesteer judge runs/sweep-0123456789ab 'llm[cache=answers]:openai:gpt-4o-mini'
    """
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.evaluation import judge_rows
    from saesteer.evaluation.judgements import FILE, concepts_of
    from saesteer.judges import SpendingJudge, judge_name, open_judge
    from saesteer.text import load_concept

    sweeps, own = sweeps_of(folder)
    failed = []
    with open_judge(by) as asked, progress() as bar:
        given = [load_concept(each) for each in concept or own]
        for number, result in enumerate(sweeps, start=1):
            what = f"judging texts, sweep {number} of {len(sweeps)}" if len(sweeps) > 1 else "judging texts"
            failed += judge_rows(result, asked, concepts_of(result, given), partial(bar.report, what))
    rows = sum(len(each.rows) for each in sweeps)
    files = [each.folder / FILE for each in sweeps if each.folder is not None]
    found: dict[str, Any] = {
        "judge": judge_name(asked),
        "rows": rows,
        "failed": len(failed),
        "file": files[0],
        "files": files,
        "spent": asked.spent if isinstance(asked, SpendingJudge) else None,
    }
    if json:
        print_json(found)
        return
    print_table(f"{found['judge']}: {rows - len(failed)} of {rows} rows are judged")
    if failed:
        print_table(f"failed: {len(failed)}, such as: {failed[0].error}")
    if found["spent"]:
        print_table(
            "spent: " + ", ".join(f"{name} {value}" for name, value in found["spent"].items() if value)
        )
    shown = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    print_table(f"judgements: {shown}", f"Next: saesteer agree {folder}")
