"""results.csv: one row per concept and method, every figure with its interval. Knows records of a report."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

from saesteer.evaluation import Figures
from saesteer.report import ConceptResult, MethodResult, Report
from saesteer.report.findings import reaches
from saesteer.runs import write_text
from saesteer.runs.cells import CSVRows
from saesteer.statistics import Interval

_FIGURES: Final = ("behaviour", "coherence", "product", "mean_product", "harmonic")
_NUMBERS: Final = ("lenient", "perplexity", "distinct_1", "distinct_2")
_COUNTS: Final = ("samples", "failed", "prompts", "seeds", "sentences")


def write_table(report: Report, failed: Sequence[tuple[str, str, str]], path: Path) -> None:
    """The rows of a report, as a spreadsheet reads them; nothing in it is a formula.

    `failed`: concept, method and error of those that have no figures.
    """
    rows = table_rows(report)
    rows += [{"concept": concept, "method": method, "error": error} for concept, method, error in failed]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO()
    CSVRows(text, columns).write({name: row.get(name) for name in columns} for row in rows)
    write_text(path, text.getvalue())


def table_rows(report: Report) -> list[dict[str, Any]]:
    """One per concept and method: every figure with its interval, by the names of the columns."""
    floor = report.coherence
    return [_row(concept, method, floor) for concept in report.concepts for method in concept.methods]


def _row(concept: ConceptResult, method: MethodResult, floor: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "concept": concept.name,
        "method": method.method,
        "role": method.role,
        "setting": method.setting,
        "strength": None if method.outcome is None else method.outcome.setting.strength,
        "unit": method.unit,
        "reason": method.reason,
    }
    found = None if method.outcome is None else method.outcome.figures
    row |= _of(found, "") | _of(concept.base, "base_")
    if method.outcome is not None:
        row |= _ends("ratio", method.outcome.ratio) | _ends("lift", method.outcome.lift)
    row |= {
        "goal": method.goal,
        "reached": None if method.goal is None else _reached(method, method.goal, floor),
    }
    for judge in method.judges:
        for name, interval in judge.figures.items():
            row |= _ends(f"{judge.judge}: {name}", interval)
    if method.beside is not None:
        row["beside_seeds"] = method.beside.seeds
        for name, interval in method.beside.figures.items():
            row |= _ends(f"beside_{name}", interval)
    return row | {"rows": method.rows, "error": None}


def _reached(method: MethodResult, goal: float, floor: float) -> bool:
    return method.outcome is not None and reaches(method.outcome, goal, floor)


def _of(found: Figures | None, before: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in _FIGURES:
        row |= _ends(before + name, None if found is None else getattr(found, name))
    row |= {before + name: None if found is None else getattr(found, name) for name in (*_NUMBERS, *_COUNTS)}
    for name, interval in ({} if found is None else found.others).items():
        row |= _ends(before + name, interval)
    return row


def _ends(name: str, interval: Interval | None) -> dict[str, Any]:
    ends = (None, None, None) if interval is None else (interval.estimate, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
