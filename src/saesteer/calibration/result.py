"""A calibration's answer: the strength, the curve it was read from, and why it is what it is. Knows files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from saesteer.calibration.budget import shown
from saesteer.calibration.records import (
    as_json,
    check_saved,
    read_figures,
    read_interval,
    read_number,
    read_outcome,
)
from saesteer.errors import CorruptFile
from saesteer.evaluation import Figures, Outcome, Row
from saesteer.evaluation.rows import from_records, to_table
from saesteer.runs import atomic_files, plain, read_json, read_parquet, sha256_file, write_json, write_parquet
from saesteer.runs.views import data_frame, html_table
from saesteer.statistics import Interval
from saesteer.steering import SteeringSpec

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["works", "unjudged", "inert", "coherence", "not in SAE", "budget"]
ROWS, RECORD, SPEC = "rows.parquet", "calibration.json", "spec.yaml"
_VERSION: Final = 1


@dataclass(frozen=True)
class Verdict:
    """Whether a strength works, and why."""

    kind: Kind
    """works; unjudged: within the budget, and nobody looked for the concept; inert: nothing that the
    direction does shows the concept, or it does nothing; coherence: it collapses before the concept shows;
    not in SAE: the spec's latents do not tell the concept; budget: the concept shows only beyond the budget,
    or no strength holds it.
    """
    reason: str
    """One sentence with figures."""

    @property
    def works(self) -> bool:
        """There is a strength to take."""
        return self.kind in ("works", "unjudged")


@dataclass(frozen=True)
class Point:
    """One strength of the curve."""

    strength: float
    """In the spec's unit."""
    raw: float | None
    """Of the first intervention, as a plain number."""
    figures: Figures | None
    """Of the selection half; None where nothing was written at this strength."""
    lift: Interval | None
    """Behaviour less that of the plain model."""
    kl: Interval
    """Mean KL(steered || plain) per token of the fixed texts."""
    nats: Interval
    """Cross-entropy per token that steering adds there."""
    moved: float
    """Mean length of the edit over mean length of the activation."""
    broken: tuple[str, ...]
    """The limits of the budget that this strength breaks."""
    effective: bool
    """Whether the concept clearly shows more (or less, where that is wanted) than in the plain model."""

    @property
    def safe(self) -> bool:
        """Within the budget and with an effect."""
        return self.effective and not self.broken

    def flat(self) -> dict[str, Any]:
        """One line of a table."""
        line: dict[str, Any] = {"strength": self.strength, "raw": self.raw}
        found = self.figures
        for name in ("behaviour", "coherence", "product"):
            each: Interval | None = getattr(found, name) if found else None
            line |= {
                name: each and each.estimate,
                f"{name}_low": each and each.low,
                f"{name}_high": each and each.high,
            }
        line |= {"perplexity": found and found.perplexity, "samples": found.samples if found else 0}
        line |= {"lift": self.lift and self.lift.estimate, "lift_low": self.lift and self.lift.low}
        line |= {"kl": self.kl.estimate, "kl_low": self.kl.low, "kl_high": self.kl.high}
        line |= {"nats": self.nats.estimate, "moved": self.moved}
        return line | {"broken": " ".join(self.broken), "safe": self.safe}


@dataclass(frozen=True)
class Calibration:
    """The strength that brings the concept out most within the budget."""

    spec: SteeringSpec
    """At that strength, resolved; switched off where no strength works."""
    strength: Interval | None
    """In the spec's unit, with its interval over prompts (without a judge: texts); None where none works."""
    unit: str
    verdict: Verdict
    curve: tuple[Point, ...]
    """Ascending in magnitude."""
    window: tuple[float, float] | None
    """The safe strengths around the chosen one: all that were tried between these are within the budget and
    have an effect.
    """
    base: Figures | None
    """Of the plain model, all prompts."""
    outcome: Outcome | None
    """On the test half, whose prompts had no say, of the strength that was best on the other."""
    warnings: tuple[str, ...]
    rows: tuple[Row, ...]
    """Every judged sample; those of the plain model have strength 0."""
    provenance: Mapping[str, Any]
    """Model, spec, concept, judge, budget, prompts, seed and versions; no times and no paths."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", plain(self.provenance))

    @property
    def summary(self) -> dict[str, Any]:
        """The main figures."""
        chosen, found = self.strength, self.outcome
        return {
            "works": self.verdict.works,
            "verdict": self.verdict.kind,
            "reason": self.verdict.reason,
            "strength": chosen and chosen.estimate,
            "strength_low": chosen and chosen.low,
            "strength_high": chosen and chosen.high,
            "unit": self.unit,
            "window": self.window,
            "budget": self.provenance.get("budget"),
            "base_behaviour": self.base and self.base.behaviour.estimate,
            "test_behaviour": found and found.figures.behaviour.estimate,
            "test_coherence": found and found.figures.coherence and found.figures.coherence.estimate,
            "test_lift_low": found and found.lift.low,
            "test_samples": found and found.figures.samples,
            "warnings": self.warnings,
        }

    @property
    def point(self) -> Point | None:
        """The chosen point of the curve."""
        if self.strength is None:
            return None
        return next(each for each in self.curve if each.strength == self.strength.estimate)

    def to_pandas(self) -> pd.DataFrame:
        """A line per strength of the curve."""
        return data_frame([each.flat() for each in self.curve])

    def save(self, folder: str | Path) -> Path:
        """Write `rows.parquet`, `spec.yaml` with its tensors, and `calibration.json` with their checksums."""
        folder = Path(folder)
        kept = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("rows", "spec")
        }
        with atomic_files(folder) as place:
            write_parquet(place / ROWS, to_table(self.rows))
            self.spec.save(place / SPEC)
            kept |= {
                "version": _VERSION,
                "sha256": {name: sha256_file(place / name) for name in (ROWS, SPEC)},
            }
            write_json(place / RECORD, {name: as_json(each) for name, each in kept.items()})
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """What `save` wrote; CorruptFile where the files are not those that were saved."""
        folder = Path(folder)
        record = read_json(folder / RECORD)
        if not isinstance(record, dict) or record.get("version") != _VERSION:
            raise CorruptFile(f"{folder / RECORD} is no calibration of this version; calibrate again")
        try:
            check_saved(folder, {name: record["sha256"][name] for name in (ROWS, SPEC)}, "calibrate again")
            return cls(
                spec=SteeringSpec.load(folder / SPEC),
                strength=read_interval(record["strength"]),
                unit=record["unit"],
                verdict=Verdict(**record["verdict"]),
                curve=tuple(map(_point, record["curve"])),
                window=record["window"] and tuple(record["window"]),
                base=read_figures(record["base"]),
                outcome=read_outcome(record["outcome"]),
                warnings=tuple(record["warnings"]),
                rows=from_records(read_parquet(folder / ROWS), str(folder / ROWS)),
                provenance=record["provenance"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"{folder} is no whole calibration ({error!r:.80}); make it anew") from error

    def _repr_html_(self) -> str:
        cells = [{name: text(each) for name, text in CELLS.items()} for each in self.curve]
        return html_table(sentence(self), cells, self.warnings)


CELLS: Final = {
    "strength": lambda p: f"{p.strength:.3g}",
    "behaviour": lambda p: _shown(p.figures and p.figures.behaviour),
    "coherence": lambda p: _shown(p.figures and p.figures.coherence),
    "KL": lambda p: f"{p.kl.estimate:.2g}",
    "nats": lambda p: f"{p.nats.estimate:.2g}",
    "moved": lambda p: f"{p.moved:.2g}",
    "perplexity": lambda p: (
        "-" if not p.figures or p.figures.perplexity is None else f"{p.figures.perplexity:.3g}"
    ),
    "n": lambda p: str(p.figures.samples if p.figures else 0),
    "breaks": lambda p: ", ".join(p.broken) or ("" if p.effective or not p.figures else "no effect"),
}
"""Column -> a point of the curve as text."""


def sentence(found: Calibration) -> str:
    """The answer in one line."""
    asked = shown(found.provenance["budget"])
    if found.strength is None:
        return f"no strength works within {asked}: {found.verdict.reason}"
    chosen = found.strength
    return (
        f"{chosen.estimate:.3g} {found.unit} ({chosen.low:.3g} to {chosen.high:.3g}) within {asked}: "
        f"{found.verdict.reason}"
    )


def _shown(interval: Interval | None) -> str:
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]" if interval else "-"


def _point(record: Any) -> Point:
    kept = {name: read_interval(record[name]) for name in ("lift", "kl", "nats")}
    return Point(
        **{
            **record,
            **kept,
            "raw": read_number(record["raw"]),
            "moved": float(record["moved"]),
            "figures": read_figures(record["figures"]),
            "broken": tuple(record["broken"]),
        }
    )
