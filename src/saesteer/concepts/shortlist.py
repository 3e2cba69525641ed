"""Shortlist: the latents that a chooser puts first for a concept, with the figures that speak for each.

Knows numbers only; how they came about is the chooser's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saesteer.concepts.ranking import clean
from saesteer.errors import CorruptFile, InputError
from saesteer.runs import plain, write_parquet
from saesteer.runs.views import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_KEY = b"saesteer.shortlist"
_OWN = ("latent", "weight")
_WIDTH: Final = 76  # of a terminal, at which notes are broken


@dataclass(frozen=True)
class Candidate:
    """One latent and what speaks for it."""

    latent: int
    weight: float
    """How much it counts beside the others where several are used together; above 0."""
    figures: Mapping[str, float] = field(hash=False)
    """By name; the first is what the shortlist is sorted by."""


@dataclass(frozen=True)
class Shortlist:
    """Latents, best first; all rows have the same figures."""

    rows: tuple[Candidate, ...]
    by: str
    """The chooser."""
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        object.__setattr__(self, "provenance", plain(self.provenance))
        if not self.rows:
            raise InputError("a shortlist has at least one latent, got none")
        names = list(self.rows[0].figures)
        if any(list(row.figures) != names for row in self.rows):
            raise InputError("the rows of a shortlist have the same figures; mend the chooser")

    @property
    def best(self) -> Candidate:
        """The first row."""
        return self.rows[0]

    @property
    def latents(self) -> tuple[int, ...]:
        """The latents alone, in order."""
        return tuple(row.latent for row in self.rows)

    @property
    def summary(self) -> dict[str, Any]:
        """The chooser, how many latents there are and the first one."""
        return {"by": self.by, "latents": len(self.rows), "best": self.best.latent, **self.best.figures}

    def save(self, path: str | Path) -> None:
        """One Parquet file: a row per latent, everything else in its metadata."""
        import pyarrow as pa

        table = pa.Table.from_pylist(self._records())
        rest = {"version": 1, "by": self.by, "notes": self.notes, "provenance": self.provenance}
        write_parquet(path, table.replace_schema_metadata({_KEY: json.dumps(plain(rest))}))

    @classmethod
    def load(cls, path: str | Path) -> Shortlist:
        """The shortlist that `save` wrote."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        if not Path(path).is_file():
            raise InputError(f"there is no file {path}; check the path")
        try:
            table = parquet.read_table(path, partitioning=None)
            rest = json.loads((table.schema.metadata or {})[_KEY])
            rows = [
                Candidate(
                    row["latent"], row["weight"], {k: row[k] for k in table.column_names if k not in _OWN}
                )
                for row in table.to_pylist()
            ]
            return cls(tuple(rows), rest["by"], tuple(rest["notes"]), rest["provenance"])
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"{path} is no whole shortlist ({error!r:.80}); make it anew") from error

    def to_pandas(self) -> pd.DataFrame:
        """A row per latent."""
        return data_frame(self._records())

    def table(self, n: int = 10) -> Table:
        """The first `n` latents for a terminal, with the notes below."""
        from rich.table import Table
        from rich.text import Text

        title, notes = self._title(), [*map(clean, self.notes)]
        wide = max(len(title), min(_WIDTH, max(map(len, notes), default=0)))  # few columns are narrow
        shown = Table(title=Text(title), caption=Text("\n".join(notes)), min_width=wide)
        cells = self._cells(n)
        for name in cells[0]:
            shown.add_column(name, justify="right")
        for row in cells:
            shown.add_row(*(Text(each) for each in row.values()))
        return shown

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._cells(10), self.notes)

    def _title(self) -> str:
        return clean(f"{self.provenance.get('concept') or 'latents'}: chosen by {self.by}")

    def _records(self) -> list[dict[str, Any]]:
        return [{"latent": row.latent, "weight": row.weight, **row.figures} for row in self.rows]

    def _cells(self, n: int) -> list[dict[str, str]]:
        return [
            {"latent": str(row.latent)} | {clean(k): f"{v:.3f}" for k, v in row.figures.items()}
            for row in self.rows[: max(1, n)]
        ]
