"""Side effects as a result: rows, figures by strength, the latents changed most. Knows files; no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation.drift import LatentChange
from saesteer.evaluation.effect_rows import EffectRow, EffectSummary, summarised
from saesteer.runs import plain, read_json, read_parquet, sha256_file, write_json, write_parquet
from saesteer.runs.views import data_frame, html_table
from saesteer.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

ROWS, RECORD = "rows.parquet", "side_effects.json"
_VERSION: Final = 1
_MEANS: Final = ("before", "after", "absolute")


@dataclass(frozen=True)
class StrengthChanges:
    """The latents that one strength changed most."""

    strength: float
    off_target: tuple[LatentChange, ...]
    targets: tuple[LatentChange, ...]


@dataclass(frozen=True)
class SideEffects:
    """What a spec did at each strength, a row per text."""

    rows: tuple[EffectRow, ...]
    changed: tuple[StrengthChanges, ...]
    """Empty where no SAE measured."""
    provenance: Mapping[str, Any]
    """Model, spec, SAE, texts by hash, settings and versions; no times and no paths."""
    folder: Path | None = field(default=None, compare=False)
    """Where it was loaded from, if it was."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", plain(self.provenance))

    @cached_property
    def summary(self) -> tuple[EffectSummary, ...]:
        """Figures with intervals over texts, by strength; 0 is the plain model."""
        found: dict[float, list[EffectRow]] = {}
        for row in self.rows:
            found.setdefault(row.strength, []).append(row)
        other = self.provenance.get("plan", {}).get("against") is not None
        return tuple(summarised(rows, other) for rows in found.values())

    def at(self, strength: float) -> EffectSummary:
        """The figures of one strength."""
        for each in self.summary:
            if each.strength == strength:
                return each
        told = ", ".join(f"{each.strength:g}" for each in self.summary)
        raise InputError(f"strength {strength:g} was not measured; there are {told}")

    @property
    def seeds(self) -> int:
        """How many seeds made different things that were measured; 1 where the seed makes no difference."""
        return len({row.seed for row in self.rows}) or 1

    @classmethod
    def pooled(cls, found: Mapping[int, SideEffects]) -> SideEffects:
        """One of what several seeds made, measured on the same texts; of one alone that one itself.

        Of latents those that are among the most changed under every seed, with means over the seeds.
        """
        if len(found) == 1:
            return next(iter(found.values()))
        rows = tuple(replace(row, seed=seed) for seed, each in found.items() for row in each.rows)
        changed = tuple(
            _changed_alike(each) for each in zip(*(f.changed for f in found.values()), strict=True)
        )
        first = next(iter(found.values())).provenance
        return cls(
            rows, changed, {**first, "by_seed": {str(n): each.provenance for n, each in found.items()}}
        )

    def save(self, folder: str | Path) -> Path:
        """Write `rows.parquet` and `side_effects.json`, which carries its checksum."""
        folder = Path(folder)
        write_parquet(folder / ROWS, _table(self.rows))
        rest = {"version": _VERSION, "sha256": sha256_file(folder / ROWS)}
        write_json(folder / RECORD, rest | {"changed": self.changed, "provenance": self.provenance})
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> SideEffects:
        """What `save` wrote; CorruptFile where its rows are not those that were saved."""
        folder = Path(folder)
        record, rows = read_json(folder / RECORD), read_parquet(folder / ROWS)
        if not isinstance(record, dict) or record.get("version") != _VERSION:
            raise CorruptFile(f"{folder / RECORD} is not of this version; measure again")
        if record.get("sha256") != sha256_file(folder / ROWS):
            raise CorruptFile(f"{folder / ROWS} was changed since it was saved; measure again")
        try:
            changed = tuple(
                StrengthChanges(each["strength"], *(_changes(each[n]) for n in ("off_target", "targets")))
                for each in record["changed"]
            )
            return cls(tuple(EffectRow(**each) for each in rows), changed, record["provenance"], folder)
        except (KeyError, TypeError) as error:
            raise CorruptFile(f"{folder} is no whole measurement ({error!r:.80}); make it anew") from error

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a data frame."""
        return data_frame([asdict(row) for row in self.rows])

    def _repr_html_(self) -> str:
        notes = [
            f"strength {each.strength:g} changed most: "
            + ", ".join(f"{one.latent} ({one.change:+.2g})" for one in each.off_target[:5])
            for each in self.changed
        ]
        return html_table("Side effects", [cells(each) for each in self.summary], notes)


def _changed_alike(seeds: Sequence[StrengthChanges]) -> StrengthChanges:
    sides = ([each.off_target for each in seeds], [each.targets for each in seeds])
    return StrengthChanges(seeds[0].strength, *map(_means, sides))


def _means(lists: Sequence[Sequence[LatentChange]]) -> tuple[LatentChange, ...]:
    """Of the latents that all lists name, those that change most by the mean first."""
    tables = [{each.latent: each for each in one} for one in lists]
    shared = set(tables[0]).intersection(*tables[1:])
    found = [
        LatentChange(latent, *(mean(getattr(table[latent], name) for table in tables) for name in _MEANS))
        for latent in shared
    ]
    return tuple(sorted(found, key=lambda each: (-each.absolute, each.latent)))


def cells(each: EffectSummary) -> dict[str, str]:
    """The main figures of a strength, as text."""
    shown = {"strength": f"{each.strength:g}", "read": str(each.read), "written": str(each.written)}
    return shown | {name: told(interval) for name, interval in each.figures.items()}


def told(interval: Interval) -> str:
    """The estimate and its ends."""
    return f"{interval.estimate:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def _changes(records: list[dict[str, Any]]) -> tuple[LatentChange, ...]:
    return tuple(LatentChange(**each) for each in records)


def _table(rows: tuple[EffectRow, ...]) -> pyarrow.Table:
    """Fixed types, so that a column of nothing but None keeps its own."""
    import pyarrow as pa

    kinds = {"float": pa.float64(), "int": pa.int64()}
    schema = pa.schema(
        [(each.name, kinds.get(str(each.type).split(" ")[0], pa.string())) for each in fields(EffectRow)]
    )
    return pa.Table.from_pydict(
        {name: [getattr(row, name) for row in rows] for name in schema.names}, schema=schema
    )
