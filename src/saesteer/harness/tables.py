"""A sweep's table as JSON, CSV and Markdown. Knows its rows; no plot and no terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Final

from saesteer.harness.deltas import Delta, Scores
from saesteer.harness.sweep import Sweep
from saesteer.runs import write_json, write_text
from saesteer.runs.cells import CSVRows

HEAD: Final = ("setting", "task", "metric", "items", "score", "change", "worse / better", "p", "p (Holm)")


def write_tables(found: Sweep) -> None:
    """deltas.json, deltas.csv and deltas.md in the sweep's folder."""
    value = {
        "about": dict(found.about),
        "plain": [{key: each for key, each in asdict(row).items() if key != "items"} for row in found.plain],
        "rows": [row.to_dict() for row in found.rows],
    }
    write_json(found.folder / "deltas.json", value)
    write_text(found.folder / "deltas.csv", _csv(found.rows))
    write_text(found.folder / "deltas.md", markdown(found.rows, found.plain))


def cells(rows: Sequence[Delta], plain: Sequence[Scores]) -> list[tuple[str, ...]]:
    """The table in words: the plain model's scores first."""
    first: list[tuple[str, ...]] = [
        ("unsteered", each.task, _metric(each.metric, each.filter), str(len(each.items) or ""),
         _with(each.value, each.stderr), "", "", "", "")
        for each in plain
    ]  # fmt: skip
    return first + [
        (row.setting, row.task, _metric(row.metric, row.filter), str(row.items or ""),
         _with(row.value, row.stderr), _with(row.delta, row.delta_stderr, sign=True),
         f"{row.worse} / {row.better}" if row.items else "", _p(row.p), _p(row.p_holm))
        for row in rows
    ]  # fmt: skip


def markdown(rows: Sequence[Delta], plain: Sequence[Scores]) -> str:
    """The table, with what its columns mean below it."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += [
        "| " + " | ".join(each.replace("|", "\\|") for each in line) + " |" for line in cells(rows, plain)
    ]
    return "\n".join([*lines, "", NOTE, ""])


NOTE: Final = (
    "Score: as lm_eval reports it, with its standard error. Change: against the unsteered model, with the "
    "standard error of the paired difference. p: two-sided and paired, by item (McNemar's exact test, sign "
    "flips where items change by degrees, swaps of items where the metric is no mean of them); a group "
    "counts the items of its tasks. Holm: adjusted for all rows of this table."
)


def _csv(rows: Sequence[Delta]) -> str:
    out = io.StringIO(newline="")
    CSVRows(out, [each.name for each in fields(Delta)]).write(row.to_dict() for row in rows)
    return out.getvalue()


def _metric(metric: str, filtered: str) -> str:
    return metric if filtered == "none" else f"{metric} ({filtered})"


def _with(value: float, error: float | None, sign: bool = False) -> str:
    number = f"{value:+.4f}" if sign else f"{value:.4f}"
    return number if error is None else f"{number} ± {error:.4f}"


def _p(p: float | None) -> str:
    return "" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"
