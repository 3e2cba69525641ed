"""Blind ratings by a person: texts in random order, without method or strength. Knows rows, no screen.

Ratings are judgements like any other and stand in the same table, under the rater's name. What was rated is
never shown again, also not in another order or after another start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from saesteer.errors import InputError
from saesteer.evaluation.judgements import JudgementsOf, RowJudgement, same_text
from saesteer.evaluation.result import SweepResult
from saesteer.evaluation.rows import Row
from saesteer.runs import digest

TAKEN_BACK: Final = "taken back"
Command = Literal["undo", "skip", "quit"]
COMMANDS: Final[dict[str, Command]] = {"u": "undo", "s": "skip", "q": "quit"}
SCORES: Final = tuple(range(1, 11))


@dataclass(frozen=True)
class Sheet:
    """What the rater sees, and all that they see."""

    concept: str
    prompt: str
    text: str
    number: int
    """From 1, of those that are left."""
    left: int


class Rater:
    """One person's ratings of one sweep, or of several as if they were one."""

    def __init__(
        self,
        result: SweepResult | Sequence[SweepResult],
        name: str,
        criteria: Sequence[str] = ("behaviour", "coherence"),
    ) -> None:
        results = [result] if isinstance(result, SweepResult) else list(result)
        if not name.strip() or not name.isprintable():
            raise InputError(f"a rater has a name of printable letters, got {name!r}")
        if not criteria or len(set(criteria)) < len(criteria):
            raise InputError(f"criteria are different names, at least one, got {list(criteria)}")
        self.name, self.criteria = f"human ({name})", tuple(criteria)
        self.fingerprint = digest({"judge": "human", "rater": name, "criteria": self.criteria})
        self.table = JudgementsOf(results)
        self._groups = list(same_text(row for each in results for row in each.rows).values())
        self._groups.sort(key=lambda rows: digest([self.fingerprint, *sorted(row.id for row in rows)]))

    def left(self) -> list[list[Row]]:
        """Texts that are not rated yet, each with all its rows, in this rater's random order."""
        known = self.table.of(self.fingerprint)
        return [rows for rows in self._groups if any(row.id not in known for row in rows)]

    def rate(self, rows: Sequence[Row], scores: Sequence[int]) -> None:
        """1 to 10 for each criterion, kept as (score - 1) / 9."""
        figures = {name: (score - 1) / 9 for name, score in zip(self.criteria, scores, strict=True)}
        detail = {"scores": dict(zip(self.criteria, scores, strict=True))}
        self.table.append(*(RowJudgement(r.id, self.name, self.fingerprint, figures, detail) for r in rows))

    def take_back(self, rows: Sequence[Row]) -> None:
        """As if it had not been rated; the lines stay in the file."""
        self.table.append(
            *(RowJudgement(row.id, self.name, self.fingerprint, error=TAKEN_BACK) for row in rows)
        )


def session(
    rater: Rater, show: Callable[[Sheet], None], ask: Callable[[str], str | None], most: int | None = None
) -> int:
    """Show and ask until all is rated, `most` are, or the rater quits; how many were rated.

    `ask(criterion)` gives a line, None at the end of the input. A line is 1 to 10, or u to take the last
    rating back, s to leave this text for later, q to go.
    """
    waiting, done = rater.left(), list[list[Row]]()
    total = len(waiting)
    with rater.table.alone():
        while waiting and (most is None or len(done) < most):
            rows = waiting[0]
            show(
                Sheet(rows[0].concept, _before(rows[0]), rows[0].text, total - len(waiting) + 1, len(waiting))
            )
            said = _scores(rater.criteria, ask)
            if said == "quit":
                break
            if said == "skip":
                waiting.append(waiting.pop(0))
                if len(waiting) == 1:
                    break
            elif said == "undo":
                if done:
                    rater.take_back(done[-1])
                    waiting.insert(0, done.pop())
            else:
                rater.rate(rows, said)
                done.append(waiting.pop(0))
    return len(done)


def _before(row: Row) -> str:
    return row.prompt + row.prefix.partition("{prompt}")[2]


def _scores(criteria: Sequence[str], ask: Callable[[str], str | None]) -> tuple[int, ...] | Command:
    """One score per criterion, or a command; an answer that is neither is asked for again."""
    found: list[int] = []
    for criterion in criteria:
        for line in _lines(criterion, ask):
            if line in COMMANDS:
                if COMMANDS[line] == "undo" and found:
                    return _scores(criteria, ask)  # this text from its first criterion
                return COMMANDS[line]
            if line.isdecimal() and int(line) in SCORES:
                found.append(int(line))
                break
        else:
            return "quit"
    return tuple(found)


def _lines(criterion: str, ask: Callable[[str], str | None]) -> Iterator[str]:
    while (line := ask(criterion)) is not None:
        yield line.strip().casefold()
