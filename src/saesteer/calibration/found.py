"""What a search with a judge found, and the way to it. Knows files; no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saesteer.calibration.records import as_json, check_saved, read_figures, read_outcome
from saesteer.errors import CorruptFile
from saesteer.evaluation import Figures, Outcome, Row
from saesteer.evaluation.rows import from_records, to_table
from saesteer.runs import atomic_files, plain, read_json, read_parquet, sha256_file, write_json, write_parquet
from saesteer.runs.views import data_frame, html_table
from saesteer.steering import SteeringSpec

if TYPE_CHECKING:
    import pandas as pd

ROWS, RECORD, SPEC = "rows.parquet", "search.json", "spec.yaml"
_VERSION: Final = 1


@dataclass(frozen=True)
class Trial:
    """One candidate after one round."""

    round: int
    name: str
    """Op, sign and latent, or the name of a given spec."""
    strength: float
    kl: float
    """The distance that the strength stands for."""
    samples: int
    """All its texts so far."""
    behaviour: float
    coherence: float
    coherent: bool
    """Whether it may have the coherence asked for."""
    kept: bool = False
    """Whether it went on to another round."""


@dataclass(frozen=True)
class Found:
    """The winner of a search."""

    spec: SteeringSpec | None
    """At its strength; None where nothing was coherent enough."""
    reason: str
    trials: tuple[Trial, ...]
    """Round by round, the best first."""
    outcome: Outcome | None
    """Of the winner on the test half, whose prompts had no say."""
    base: Figures | None
    rows: tuple[Row, ...]
    """Every judged sample."""
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", plain(self.provenance))

    @property
    def summary(self) -> dict[str, Any]:
        """The main figures."""
        found = self.outcome
        return {
            "found": self.spec is not None,
            "reason": self.reason,
            "candidates": self.provenance.get("candidates"),
            "rounds": max((each.round for each in self.trials), default=0),
            "texts": sum(row.half == "selection" and row.method != "base" for row in self.rows),
            "base_behaviour": self.base and self.base.behaviour.estimate,
            "test_behaviour": found and found.figures.behaviour.estimate,
            "test_coherence": found and found.figures.coherence and found.figures.coherence.estimate,
            "test_lift_low": found and found.lift.low,
        }

    def to_pandas(self) -> pd.DataFrame:
        """A line per candidate and round."""
        return data_frame([asdict(each) for each in self.trials])

    def save(self, folder: str | Path) -> Path:
        """Write `rows.parquet`, `spec.yaml` with its tensors, and `search.json` with their checksums."""
        folder = Path(folder)
        kept = {name: getattr(self, name) for name in ("reason", "trials", "outcome", "base", "provenance")}
        files = [ROWS]
        with atomic_files(folder) as place:
            write_parquet(place / ROWS, to_table(self.rows))
            if self.spec is not None:
                self.spec.save(place / SPEC)
                files.append(SPEC)
            kept |= {"version": _VERSION, "sha256": {name: sha256_file(place / name) for name in files}}
            write_json(place / RECORD, as_json(kept))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Found:
        """What `save` wrote; CorruptFile where the files are not those that were saved."""
        folder = Path(folder)
        record = read_json(folder / RECORD)
        if not isinstance(record, dict) or record.get("version") != _VERSION:
            raise CorruptFile(f"{folder / RECORD} is no search of this version; search again")
        try:
            named = {name: record["sha256"][name] for name in (ROWS, SPEC) if name in record["sha256"]}
            check_saved(folder, {ROWS: record["sha256"][ROWS]} | named, "search again")
            return cls(
                SteeringSpec.load(folder / SPEC) if SPEC in record["sha256"] else None,
                record["reason"],
                tuple(_trial(each) for each in record["trials"]),
                read_outcome(record["outcome"]),
                read_figures(record["base"]),
                from_records(read_parquet(folder / ROWS), str(folder / ROWS)),
                record["provenance"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"{folder} is no whole search ({error!r:.80}); make it anew") from error

    def _repr_html_(self) -> str:
        return html_table(self.reason, [cells(each) for each in self.trials if each.kept or each.round > 1])


def cells(each: Trial) -> dict[str, str]:
    """A candidate as text."""
    return {
        "round": str(each.round),
        "candidate": each.name,
        "strength": f"{each.strength:.3g}",
        "KL": f"{each.kl:.2g}",
        "n": str(each.samples),
        "behaviour": f"{each.behaviour:.2f}",
        "coherence": f"{each.coherence:.2f}",
    }


def _trial(record: Any) -> Trial:
    numbers = {name: float(record[name]) for name in ("strength", "kl", "behaviour", "coherence")}
    return Trial(**{**record, **numbers})
