"""A sweep's samples and where they came from, in memory and as a folder. Knows files; no model, no judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.errors import CorruptFile, InputError, MissingExtra
from saesteer.evaluation.comparison import Comparison, compare_rows, compare_rows_with
from saesteer.evaluation.figures import Figures, figures
from saesteer.evaluation.halves import check_halves
from saesteer.evaluation.rows import Half, Row, Setting, from_records, to_table
from saesteer.runs import plain, read_json, read_parquet, sha256_file, write_json, write_parquet
from saesteer.runs.views import html_table
from saesteer.statistics import Interval

if TYPE_CHECKING:
    import pandas

ROWS, PROVENANCE = "rows.parquet", "provenance.json"


@dataclass(frozen=True)
class Summary:
    """One setting on one half."""

    setting: Setting
    half: Half
    figures: Figures


@dataclass(frozen=True)
class SweepResult:
    """Samples, one row each, and what they came from."""

    rows: tuple[Row, ...]
    provenance: Mapping[str, Any]
    """Model, specs, judge, seed, config and versions; no times and no paths."""
    folder: Path | None = field(default=None, compare=False)
    """Where it was loaded from, if it was; its rows are in `rows.parquet` there."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        object.__setattr__(self, "provenance", plain(self.provenance))
        check_halves(self.rows)

    @property
    def settings(self) -> list[Setting]:
        """The settings that were tried, in the order of the rows."""
        return list(dict.fromkeys(row.setting for row in self.rows))

    @property
    def failed(self) -> list[Row]:
        """The samples whose judgement failed."""
        return [row for row in self.rows if not row.ok]

    @cached_property
    def summary(self) -> tuple[Summary, ...]:
        """Figures per setting and half; a setting without any judgement is left out (see `failed`)."""
        found: dict[tuple[Setting, Half], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.setting, row.half), []).append(row)
        kept = {key: rows for key, rows in found.items() if any(row.ok for row in rows)}
        return tuple(Summary(setting, half, figures(rows)) for (setting, half), rows in kept.items())

    def where(self, **equal: Any) -> SweepResult:
        """The rows whose fields equal these values: `result.where(concept="wedding", half="test")`."""
        kept = tuple(
            row for row in self.rows if all(getattr(row, name) == value for name, value in equal.items())
        )
        return SweepResult(kept, self.provenance, self.folder)

    def of(self, setting: Setting) -> SweepResult:
        """The rows of one setting."""
        return SweepResult(
            tuple(row for row in self.rows if row.setting == setting), self.provenance, self.folder
        )

    def compare(
        self, one: Setting, other: Setting, figure: str = "behaviour", *, half: Half | None = None
    ) -> Comparison:
        """`one` minus `other` on the same prompts of one half: interval, test, effect sizes, power."""
        return compare_rows(self.rows, one, other, figure, half=half)

    def compare_with(
        self,
        base: Setting,
        others: Sequence[Setting] | None = None,
        figure: str = "behaviour",
        *,
        half: Half | None = None,
    ) -> tuple[Comparison, ...]:
        """Several settings (None: all others of its concept) against one, corrected by Holm."""
        if others is None:
            others = [each for each in self.settings if each != base and each.concept == base.concept]
        return compare_rows_with(self.rows, base, others, figure, half=half)

    def save(self, folder: str | Path) -> Path:
        """Write `rows.parquet` and `provenance.json`, which carries the checksum of the rows."""
        folder = Path(folder)
        write_parquet(folder / ROWS, to_table(self.rows))
        write_json(folder / PROVENANCE, {"provenance": self.provenance, "sha256": sha256_file(folder / ROWS)})
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> SweepResult:
        """A saved sweep; CorruptFile where its rows are not those that were saved."""
        folder = Path(folder)
        record = read_json(folder / PROVENANCE)
        if not isinstance(record, dict) or set(record) != {"provenance", "sha256"}:
            raise CorruptFile(f"{folder / PROVENANCE} is not of a sweep of this version; sweep again")
        records = read_parquet(folder / ROWS)
        if sha256_file(folder / ROWS) != record["sha256"]:
            raise CorruptFile(f"{folder / ROWS} was changed since it was saved; sweep again")
        return cls(from_records(records, str(folder / ROWS)), record["provenance"], folder)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a data frame."""
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise MissingExtra.of("pandas", "pandas") from error
        return to_table(self.rows).to_pandas()

    def _repr_html_(self) -> str:
        failed = [f"{len(self.failed)} judgements failed"] if self.failed else []
        return html_table(f"{len(self.rows)} samples", [_cells(each) for each in self.summary], failed)


def _cells(each: Summary) -> dict[str, str]:
    setting, found = each.setting, each.figures
    return {
        "concept": setting.concept,
        "method": setting.method,
        "variant": setting.variant,
        "strength": f"{setting.strength:g}",
        "half": each.half,
        "samples": str(found.samples),
        "behaviour": _shown(found.behaviour),
        "coherence": _shown(found.coherence),
    }


def _shown(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def join(results: Sequence[SweepResult]) -> SweepResult:
    """Several sweeps as one; InputError where a prompt is in both halves or a sample stands twice."""
    rows = tuple(row for result in results for row in result.rows)
    keys = {(row.setting, row.prompt_id, row.seed, row.sample) for row in rows}
    if len(keys) < len(rows):
        raise InputError(f"{len(rows) - len(keys)} samples stand twice; join other settings or seeds")
    told = [result.provenance for result in results]
    shared = {
        key: told[0][key]
        for key in ("judge", "judge_fingerprint")
        if told and all(key in each and each[key] == told[0].get(key) for each in told)
    }
    arms = [arm for each in told for arm in each.get("arms", ())]
    return SweepResult(rows, {**shared, **({"arms": arms} if arms else {}), "joined": told})
