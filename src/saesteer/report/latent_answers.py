"""The answers of scorers to the test windows of one latent, in words. Knows rows of scores, no HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from saesteer.examples import Score
from saesteer.report.score_answers import right
from saesteer.report.score_columns import finite
from saesteer.report.words import number

MOST: Final = 60
_WORDS: Final = {
    (True, True): "found, rightly",
    (True, False): "missed",
    (False, True): "false alarm",
    (False, False): "rightly left out",
}


@dataclass(frozen=True, eq=False)
class ShownAnswer:
    """One answer."""

    verdict: str
    right: bool | None
    details: str
    """How sure, which part, where it is."""


def in_order(score: Score) -> list[Mapping[str, Any]]:
    """Wrong answers first, then the strongest windows."""
    return sorted(score.rows, key=lambda row: (right(row) is not False, -_part(row), str(row.get("start"))))


def shown_answer(row: Mapping[str, Any]) -> ShownAnswer:
    """A row of any scorer; what is not known is shown as it is."""
    verdict = right(row)
    if verdict is None:
        text = _graded(row)
    elif type(row["truth"]) is bool and type(row["said"]) is bool:
        text = _WORDS[row["truth"], row["said"]]
    else:
        text = f"said {row['said']}, right" if verdict else f"said {row['said']}, wrong: {row['truth']}"
    return ShownAnswer(text, verdict, ", ".join(_details(row)))


def start_of(row: Mapping[str, Any]) -> int | None:
    """The first token of the window that a row is about."""
    start = row.get("start")
    return start if type(start) is int else None


def _graded(row: Mapping[str, Any]) -> str:
    for name, label in (("correlation", "correlation"), ("value", "value")):
        if (found := finite(row.get(name))) is not None:
            return f"{label} {number(found)}"
    return json.dumps({str(key): value for key, value in row.items()}, default=str, ensure_ascii=False)[:200]


def _details(row: Mapping[str, Any]) -> list[str]:
    found = []
    if (probability := finite(row.get("probability"))) is not None:
        found.append(f"probability {number(probability)}")
    if _part(row) >= 0:
        found.append(f"part {_part(row) + 1}")
    elif isinstance(row.get("kind"), str):
        found.append(str(row["kind"])[:40])
    if (start := start_of(row)) is not None:
        found.append(f"from token {start:,}")
    return found


def _part(row: Mapping[str, Any]) -> int:
    quantile = row.get("quantile")
    return quantile if type(quantile) is int else -1
