"""Ranking: the latents of an SAE by how well they separate two sets of texts. Knows numbers only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.errors import CorruptFile, InputError
from saesteer.latents import Context, TokenEffect
from saesteer.runs import plain, write_parquet
from saesteer.runs.views import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_KEY = b"saesteer.ranking"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class LatentScore:
    """How one latent separates positive from negative rows (texts or tokens)."""

    latent: int
    auroc: float
    """The chance that a positive row is more active than a negative one, ties counted half."""
    mean_difference: float
    cohens_d: float
    """mean_difference over the pooled standard deviation; infinite where neither side varies."""
    rate_positive: float
    """Share of the positive rows in which it is active."""
    rate_negative: float
    p: float
    """Mann-Whitney, two-sided, of texts."""
    p_adjusted: float
    """Corrected over all latents."""


@dataclass(frozen=True)
class Evidence:
    """What to look at before believing that a latent is the concept."""

    latent: int
    contexts: tuple[Context, ...]
    """Where it is most active; documents are numbered with the positive texts first."""
    promoted: tuple[TokenEffect, ...] = ()
    """Tokens that its direction makes likelier; none where it does not write to the residual stream."""
    suppressed: tuple[TokenEffect, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """Every latent, best first."""

    rows: tuple[LatentScore, ...]
    evidence: tuple[Evidence, ...] = ()
    """Of the first few."""
    notes: tuple[str, ...] = ()
    """What the numbers do not carry: too few texts, sides of different lengths."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("a ranking has at least one latent, got none")

    @property
    def best(self) -> LatentScore:
        """The first row."""
        return self.rows[0]

    def save(self, path: str | Path) -> None:
        """One Parquet file: a row per latent, everything else in its metadata."""
        import pyarrow as pa

        table = pa.Table.from_pylist([asdict(row) for row in self.rows])
        rest = {
            "version": 1,
            "evidence": [asdict(each) for each in self.evidence],
            "notes": self.notes,
            "summary": self.summary,
            "provenance": self.provenance,
        }
        write_parquet(path, table.replace_schema_metadata({_KEY: json.dumps(plain(rest))}))

    @classmethod
    def load(cls, path: str | Path) -> Ranking:
        """The ranking that `save` wrote."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        if not Path(path).is_file():
            raise InputError(f"there is no file {path}; check the path")
        try:
            table = parquet.read_table(path, partitioning=None)
            rest = json.loads((table.schema.metadata or {})[_KEY])
            return cls(
                tuple(LatentScore(**row) for row in table.to_pylist()),
                tuple(_evidence(each) for each in rest["evidence"]),
                tuple(rest["notes"]),
                rest["summary"],
                rest["provenance"],
            )
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"{path} is no whole ranking ({error!r:.80}); make it anew") from error

    def to_pandas(self) -> pd.DataFrame:
        """A row per latent."""
        return data_frame([asdict(row) for row in self.rows])

    def table(self, n: int = 10) -> Table:
        """The first `n` latents for a terminal, with the notes below."""
        from rich.table import Table
        from rich.text import Text

        shown = Table(title=Text(self._title()), caption=Text("\n".join(map(clean, self.notes))))
        cells = self._cells(n)
        for name in cells[0]:
            shown.add_column(name, justify="left" if name in {"contexts", "promotes"} else "right")
        for row in cells:
            shown.add_row(*(Text(each) for each in row.values()))
        return shown

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._cells(10), self.notes)

    def _title(self) -> str:
        noun = "texts" if self.summary.get("level") == "text" else "tokens"
        counts = f"{self.summary.get('positive')} positive and {self.summary.get('negative')} negative {noun}"
        return clean(f"{self.provenance.get('concept') or 'latents'}: {counts}")

    def _cells(self, n: int) -> list[dict[str, str]]:
        evidence = {each.latent: each for each in self.evidence}
        return [_cells(row, evidence.get(row.latent), bool(evidence)) for row in self.rows[: max(1, n)]]


def clean(text: str) -> str:
    """Text without control characters, which a terminal might obey."""
    return _CONTROL.sub(" ", text)


def _cells(row: LatentScore, evidence: Evidence | None, more: bool) -> dict[str, str]:
    cells = {
        "latent": str(row.latent),
        "auroc": f"{row.auroc:.3f}",
        "difference": f"{row.mean_difference:.3g}",
        "d": f"{row.cohens_d:.2f}",
        "active +": f"{row.rate_positive:.0%}",
        "active -": f"{row.rate_negative:.0%}",
        "p adjusted": f"{row.p_adjusted:.2g}",
    }
    if more:
        contexts, promoted = (evidence.contexts, evidence.promoted) if evidence else ((), ())
        cells["contexts"] = clean(" | ".join(_marked(each) for each in contexts[:2]))
        cells["promotes"] = clean(", ".join(each.token.strip() for each in promoted[:5]))
    return cells


def _marked(context: Context, before: int = 4, after: int = 2) -> str:
    """A few tokens of a context, the strongest in brackets."""
    start = max(0, context.peak - before)
    left = "".join(context.tokens[start : context.peak])
    right = "".join(context.tokens[context.peak + 1 : context.peak + 1 + after])
    token = context.tokens[context.peak]
    space = " " if token.startswith(" ") else ""
    return f"{left}{space}[{token.strip()}]{right}".strip()


def _evidence(record: dict[str, Any]) -> Evidence:
    contexts = tuple(
        Context(**{**each, "tokens": tuple(each["tokens"]), "activations": tuple(each["activations"])})
        for each in record["contexts"]
    )
    effects = [tuple(TokenEffect(**each) for each in record[side]) for side in ("promoted", "suppressed")]
    return Evidence(record["latent"], contexts, *effects)


FIELDS = tuple(each.name for each in fields(LatentScore))
