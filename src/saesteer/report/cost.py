"""What a run took as lines, with what was estimated beside. Knows the record, no drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from saesteer.report.records import Cost
from saesteer.report.words import duration


@dataclass(frozen=True)
class CostLine:
    """One thing that was spent, as text; a dash where nobody counted or estimated it."""

    label: str
    took: str
    estimated: str


def _count(value: float) -> str:
    return f"{value:,.0f}"


_NAMES: Final[Mapping[str, tuple[str, Callable[[float], str]]]] = {
    "seconds": ("Time, over all processes", duration),
    "texts": ("Texts written", _count),
    "tokens": ("Tokens written", _count),
    "requests": ("Requests to judges", _count),
    "judge_tokens": ("Tokens of judges", _count),
    "money": ("Money, in the currency of the prices", lambda value: f"{value:,.2f}"),
}


def cost_lines(cost: Cost) -> tuple[CostLine, ...]:
    """What was spent or estimated; a line that is nothing on both sides is left out."""
    lines = []
    for name, (label, told) in _NAMES.items():
        took, estimated = getattr(cost, name), cost.estimated.get(name)
        if name in ("requests", "judge_tokens", "money") and not took and not estimated:
            continue
        lines.append(CostLine(label, _dash(took, told), _dash(estimated, told)))
    others = {name: value for name, value in cost.estimated.items() if name not in _NAMES}
    return (*lines, *(CostLine(name.replace("_", " "), "–", f"{value:g}") for name, value in others.items()))  # noqa: RUF001


def _dash(value: float | None, told: Callable[[float], str]) -> str:
    return "–" if value is None else told(value)  # noqa: RUF001
