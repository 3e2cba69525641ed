"""What several judges say of the rows of one sweep: a table in a file of its own beside them, by row id.

`judgements.jsonl` in the sweep's folder, written by appending alone. Of one row and one judge the last line
counts; a line with an error has no figures, and its row is judged again by the next call. Knows rows and the
judge protocol; no particular judge.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation.judging import checked_judgements
from saesteer.evaluation.result import ROWS, SweepResult
from saesteer.evaluation.rows import Row
from saesteer.judges import FingerprintedJudge, Judge, Judgement, judge_name
from saesteer.judges.judge import check_all
from saesteer.runs import Journal, alone, plain
from saesteer.text.concept import Concept

FILE: Final = "judgements.jsonl"
_BATCH: Final = 64
"""Rows of one call to the judge, after which what it said is on the disk."""


@dataclass(frozen=True)
class RowJudgement:
    """What one judge says of one row."""

    row: str
    """The row's id."""
    judge: str
    fingerprint: str
    figures: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class Judgements:
    """The table of one sweep's folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / ROWS).is_file():
            raise InputError(
                f"{folder} is no folder of a sweep: it has no {ROWS}; give the sweep's own folder"
            )
        self._journal = Journal(self.folder / FILE)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else writes while this is held."""
        return alone(self.folder / f".{FILE}.lock", self._journal.path)

    def append(self, *lines: RowJudgement) -> None:
        """Add what was said and bring it to the disk."""
        self._journal.append(*(plain(asdict(each)) for each in lines))

    def read(self) -> list[RowJudgement]:
        """What counts: of every row and judge the last line, in the order of their first."""
        found: dict[tuple[str, str], RowJudgement] = {}
        for number, record in enumerate(self._journal, start=1):
            line = _line(record, f"{self._journal.path} line {number}")
            found[line.row, line.fingerprint] = line
        return list(found.values())

    def of(self, fingerprint: str) -> dict[str, RowJudgement]:
        """One judge's, by row id; failures are left out."""
        return {
            each.row: each for each in self.read() if each.fingerprint == fingerprint and each.error is None
        }


class JudgementsOf:
    """The tables of several sweeps as one: what is said of a row goes to the folder of its sweep."""

    def __init__(self, results: Sequence[SweepResult]) -> None:
        folders = [each.folder for each in results if each.folder is not None]
        if len(folders) < len(results):
            raise InputError(
                "judgements are kept beside saved sweeps; load each with SweepResult.load(folder)"
            )
        self.folder = Path(folders[0]) if len(folders) == 1 else Path(os.path.commonpath(folders))
        self._tables = [Judgements(each) for each in folders]
        self._of = {
            row.id: table for each, table in zip(results, self._tables, strict=True) for row in each.rows
        }

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes to any of them while this is held."""
        with ExitStack() as stack:
            for each in self._tables:
                stack.enter_context(each.alone())
            yield

    def append(self, *lines: RowJudgement) -> None:
        """Add what was said, each line to its own table."""
        for table in self._tables:
            if mine := [each for each in lines if self._of.get(each.row) is table]:
                table.append(*mine)

    def read(self) -> list[RowJudgement]:
        """What counts, table by table."""
        return [line for table in self._tables for line in table.read()]

    def of(self, fingerprint: str) -> dict[str, RowJudgement]:
        """One judge's, by row id; failures are left out."""
        return {row: line for table in self._tables for row, line in table.of(fingerprint).items()}


def judge_rows(
    result: SweepResult,
    judge: Judge,
    concepts: Mapping[str, Concept],
    progress: Callable[[int, int], Any] = lambda *_: None,
) -> list[RowJudgement]:
    """Ask `judge` about every row that it has not judged yet, and keep what it says; what failed this time.

    `result` was loaded from its folder. Equal texts after equal prompts are asked once per concept. A killed
    call goes on where it stood.
    """
    table = Judgements(result.folder) if result.folder is not None else None
    if table is None:
        raise InputError("judgements are kept beside a saved sweep; load it with SweepResult.load(folder)")
    if not isinstance(judge, FingerprintedJudge):
        raise InputError(f"{judge_name(judge)} has no fingerprint, by which its judgements are found again")
    missing = sorted({row.concept for row in result.rows} - set(concepts))
    if missing:
        raise InputError(f"the rows are of the concept {missing[0]!r}, which was not given; give it")
    for each in dict.fromkeys(row.concept for row in result.rows):
        check_all([judge], concepts[each])
    with table.alone():
        known = table.of(judge.fingerprint())
        groups = list(same_text(row for row in result.rows if row.id not in known).values())
        failed: list[RowJudgement] = []
        for start in range(0, len(groups), _BATCH):
            part = groups[start : start + _BATCH]
            said = checked_judgements(judge, [rows[0].to_judge(concepts[rows[0].concept]) for rows in part])
            lines = [_said(row, judge, each) for rows, each in zip(part, said, strict=True) for row in rows]
            table.append(*lines)
            failed += [each for each in lines if each.error is not None]
            progress(min(start + _BATCH, len(groups)), len(groups))
    return failed


def same_text(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows that no judge could tell apart: one concept, prompt and text, whatever method wrote it."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        after = row.prefix.partition("{prompt}")[2]
        found.setdefault((row.concept, row.prompt + after, row.text), []).append(row)
    return found


def own_judgements(result: SweepResult) -> list[RowJudgement]:
    """What the sweep's own judge said of its rows, in the form of the table."""
    name = str(result.provenance.get("judge", "sweep"))
    fingerprint = str(result.provenance.get("judge_fingerprint") or name)
    return [_own(row, name, fingerprint) for row in result.rows]


def _own(row: Row, name: str, fingerprint: str) -> RowJudgement:
    given = {"behaviour": row.behaviour, "coherence": row.coherence, "lenient": row.lenient}
    figures = {key: value for key, value in given.items() if value is not None} | row.others
    return RowJudgement(row.id, name, fingerprint, figures if row.ok else {}, {}, row.error)


def _said(row: Row, judge: FingerprintedJudge, said: Judgement) -> RowJudgement:
    return RowJudgement(row.id, judge_name(judge), judge.fingerprint(), said.figures, said.detail, said.error)


def _line(record: Any, where: str) -> RowJudgement:
    names = {each.name for each in fields(RowJudgement)}
    if not isinstance(record, dict) or set(record) != names:
        raise CorruptFile(f"{where} is no judgement of this version; remove that line")
    texts = [record["row"], record["judge"], record["fingerprint"]]
    figures, error = record["figures"], record["error"]
    fine = all(isinstance(each, str) for each in texts) and isinstance(figures, dict)
    fine = fine and isinstance(record["detail"], dict) and (error is None or isinstance(error, str))
    if not fine or not all(_in_range(value) for value in figures.values()):
        raise CorruptFile(f"{where} holds a figure or field that no judge gave; remove that line")
    return RowJudgement(**record)


def _in_range(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= 1


def concepts_of(result: SweepResult, given: Sequence[Concept]) -> dict[str, Concept]:
    """The concepts of the rows: those given, else by their names, checked against what the sweep was of."""
    from saesteer.runs import digest
    from saesteer.text import load_concept

    own = {each.name: each for each in given}
    found = {
        name: own.get(name) or load_concept(name) for name in dict.fromkeys(r.concept for r in result.rows)
    }
    for arm in result.provenance.get("arms", ()):
        concept, known = found.get(arm["concept"]), arm.get("concept_sha256")
        if concept is not None and known is not None and digest(concept) != known:
            raise InputError(
                f"the concept {concept.name!r} is not the one that this sweep was of: its texts differ"
            )
    return found
