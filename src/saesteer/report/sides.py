"""Methods side by side: each comparison with its methods' names and rows. Knows records, no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from saesteer.report.records import MethodResult, Report, Versus

CLEAR: Final = 0.05
"""The p-value, after correction, under which a difference is called clear."""


@dataclass(frozen=True)
class Side:
    """One comparison, ready to be shown."""

    versus: Versus
    one: str
    """Labels."""
    other: str
    rows: str
    """Of the one; empty where the report has no such method on that concept."""
    other_rows: str
    clear: bool
    """By p after correction, with the whole interval on one side of 0."""


def sides(report: Report) -> tuple[Side, ...]:
    """All comparisons in the order of the record."""
    return tuple(_side(report, each) for each in report.versus)


def is_clear(each: Versus) -> bool:
    """Whether the difference is more than chance would give."""
    apart = each.difference.low > 0 or each.difference.high < 0
    return apart and each.p_adjusted < CLEAR


def _side(report: Report, each: Versus) -> Side:
    one, other = (_result(report, each.concept, name) for name in (each.one, each.other))
    return Side(
        each,
        one.label if one else each.one,
        other.label if other else each.other,
        one.rows if one else "",
        other.rows if other else "",
        is_clear(each),
    )


def _result(report: Report, concept: str, method: str) -> MethodResult | None:
    found = next((each for each in report.concepts if each.name == concept), None)
    return found.method(method) if found else None
