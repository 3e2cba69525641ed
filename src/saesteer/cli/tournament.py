"""`saesteer tournament`: the settings of a sweep against each other, by a language model that compares."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.sweeps import sweeps_of
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.evaluation import Row, Tournament
    from saesteer.statistics import Interval

HALVES = ("test", "selection", "both")
SIDES = ("setting", "method")


def tournament(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Of a sweep, with rows.parquet, or of a run.", show_default=False
        ),
    ],
    client: Annotated[
        str, typer.Argument(metavar="CLIENT", help="oracle, openai:NAME, hf:FOLDER ...", show_default=False)
    ],
    criterion: Annotated[str, typer.Option(help="behaviour, coherence, instruction.")] = "behaviour",
    half: Annotated[str, typer.Option(help=f"Of the prompts: {', '.join(HALVES)}.")] = "test",
    by: Annotated[
        str, typer.Option(help="Who meets: every setting, or each method where it has one.")
    ] = "setting",
    samples: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many texts of each prompt.")
    ] = None,
    concept: Annotated[
        list[str] | None,
        typer.Option(help="Concepts of the rows from files, where they are not the world's; repeatable."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keeps answers, so that a killed call goes on.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals and of Elo's orders.")] = 0,
    json: options.Json = False,
) -> None:
    """The settings of a sweep against each other, text by text.

    Of the folder of a run: the chosen settings of its methods. Every two of them on every prompt that both
    have, in both orders; ratings by Bradley-Terry and Elo with 95 % intervals over prompts, and how far the
    judge leans to the text that it is shown first.

    Example: saesteer tournament runs/sweep-0123456789ab openai:gpt-4o-mini --cache answers

    Example: saesteer tournament runs/sweep-0123456789ab oracle --by method --samples 1
    """
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.evaluation import join
    from saesteer.evaluation import tournament as hold
    from saesteer.evaluation.judgements import concepts_of
    from saesteer.evaluation.tournament import contestant
    from saesteer.judges.pairwise import PairwiseJudge
    from saesteer.text import load_concept

    _one_of("--half", half, HALVES)
    _one_of("--by", by, SIDES)
    sweeps, own = sweeps_of(folder)
    result = join(sweeps) if len(sweeps) > 1 else sweeps[0]
    concepts = concepts_of(result, [load_concept(each) for each in concept or own])
    rows = [
        row
        for row in result.rows
        if row.ok and half in ("both", row.half) and (samples is None or row.sample < samples)
    ]
    if not rows:
        where = "" if half == "both" else f" of the {half} half"
        raise InputError(f"{folder} has no texts{where}; give --half both or another folder")
    judge = PairwiseJudge(client, criterion, cache=cache)
    with closing(judge), progress(1) as bar:
        bar.step("comparing texts")
        found = hold(rows, judge, concepts, contestant if by == "setting" else _method, seed)
    if json:
        print_json({"judge": judge.name, "criterion": criterion, "half": half, "tournament": found})
    else:
        print_table(*_lines(found, judge.name, criterion))


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{option} is {', '.join(known[:-1])} or {known[-1]}, got {value!r}")


def _method(row: Row) -> str:
    return row.method


def _lines(found: Tournament, judge: str, criterion: str) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column(criterion, overflow="fold")
    for name in ("Bradley-Terry", "Elo", "games", "won", "tied"):
        table.add_column(name, justify="right")
    for each in found.ratings:
        counts = (str(each.games), str(each.wins), str(each.ties))
        table.add_row(Text(one_line(each.name)), _told(each.bradley_terry), _told(each.elo), *counts)
    asked = len(found.comparisons)
    lines = [
        f"{judge}: {asked - found.failed} of {asked} pairs were compared, each in both orders",
        f"the two orders disagree in {found.disagreeing:.0%} of them; leaning to the first text "
        f"{found.bias.estimate:+.2f} [{found.bias.low:+.2f}, {found.bias.high:+.2f}]",
    ]
    if found.failed:
        why = next(each.error for _, _, each in found.comparisons if each.error)
        lines.append(f"failed: {found.failed}, such as: {why}")
    spent = [f"{name} {value}" for name, value in found.spent.items() if value]
    if spent:
        lines.append("spent: " + ", ".join(spent))
    return [table, Text(), *(Text(one_line(each)) for each in lines)]


def _told(interval: Interval) -> str:
    return f"{interval.estimate:.0f} [{interval.low:.0f}, {interval.high:.0f}]"
