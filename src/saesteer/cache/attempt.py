"""What earlier attempts at a cache have finished: whole runs, merged parts. Knows the journal and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from saesteer.cache.npy import Stored, check_blocks, mapped
from saesteer.cache.rows import Done
from saesteer.cache.spill import RunFiles
from saesteer.errors import CorruptFile
from saesteer.runs import Journal

JOURNAL: Final = "journal.jsonl"
ROWS: Final = "rows"
"""The part that holds the tokens; the others are numbers of SAEs."""


@dataclass
class Attempt:
    """Runs and parts that are whole; what is added is in the journal before it counts."""

    folder: Path
    parts: Sequence[str]
    runs: list[dict[str, Any]] = field(default_factory=list)
    read: bool = False
    """Whether there are no more runs to come."""
    merged: dict[str, dict[str, Stored]] = field(default_factory=dict)
    """Part -> its final files."""

    @classmethod
    def load(cls, folder: Path, parts: Sequence[str]) -> Attempt:
        """What the journal says, as far as the files agree."""
        found = cls(folder, (ROWS, *parts))
        for line in Journal(folder / JOURNAL):
            found._take(line)
        open_ = [part for part in found.parts if part not in found.merged]
        whole = next(
            (n for n, run in enumerate(found.runs) if not found.files(n).whole(run["files"], open_)),
            len(found.runs),
        )
        if whole == len(found.runs) and all(_agree(folder, files) for files in found.merged.values()):
            return found
        kept = [] if found.merged else found.runs[:whole]  # of a merged part the runs are gone
        return cls(folder, found.parts, kept)

    def files(self, number: int) -> RunFiles:
        """Where a run lies."""
        return RunFiles.of(self.folder, number)

    @property
    def done(self) -> Done:
        last = self.runs[-1] if self.runs else {"document": -1}
        return Done(self.total("rows"), self.total("tokens"), last["document"] + 1)

    def total(self, name: str) -> int:
        """Over all runs."""
        return sum(run[name] for run in self.runs)

    def add_run(self, record: dict[str, Any]) -> None:
        self._write({"run": len(self.runs), **record})

    def end(self) -> None:
        """Every row is read."""
        self._write({"read": len(self.runs)})

    def add_part(self, part: str, files: dict[str, Stored]) -> None:
        self._write({"part": part, "files": {name: asdict(each) for name, each in files.items()}})

    def _write(self, line: dict[str, Any]) -> None:
        Journal(self.folder / JOURNAL).append(line)
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "run" in line:
            self.runs = [*self.runs[: line["run"]], line]
            self.read, self.merged = False, {}
        elif "read" in line:
            self.read, self.merged = True, {}
        else:
            self.merged[line["part"]] = {name: Stored.of(each) for name, each in line["files"].items()}


def _agree(folder: Path, files: dict[str, Stored]) -> bool:
    try:
        for name, stored in files.items():
            mapped(folder / name, stored)
            check_blocks(folder / name, stored)
    except CorruptFile:
        return False
    return True
