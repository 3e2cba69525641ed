"""What is found about an SAE, in memory and as a folder. Knows files and numbers; no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation.saes.absorption import Absorption
from saesteer.evaluation.saes.density import Spread
from saesteer.evaluation.saes.matching import ConceptMatch, Match
from saesteer.evaluation.saes.probing import ProbeScore
from saesteer.runs import plain, read_json, read_parquet, sha256_file, write_json, write_parquet
from saesteer.runs.views import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd

ROWS, QUALITY = "rows.parquet", "quality.json"
_VERSION: Final = 1


@dataclass(frozen=True)
class ConceptRow:
    """One concept, on the half of the documents on which nothing was chosen."""

    concept: str
    tokens: int
    """With a label."""
    positives: int
    match: ConceptMatch
    probes: tuple[ProbeScore, ...]
    """Of few latents to many, then of the whole activation (k None)."""
    absorption: Absorption

    @property
    def base_rate(self) -> float:
        """Share of positives; saying yes always has this precision."""
        return self.positives / self.tokens

    @property
    def chance_f1(self) -> float:
        """F1 of saying yes always."""
        return 2 * self.positives / (self.positives + self.tokens)

    def probe(self, k: int | None) -> ProbeScore | None:
        """The probe of k latents; None: of the activation."""
        return next((each for each in self.probes if each.k == k), None)

    def flat(self) -> dict[str, Any]:
        """One line of a table."""
        best, assigned = self.match.best, self.match.assigned
        line: dict[str, Any] = {"concept": self.concept, "tokens": self.tokens, "positives": self.positives}
        line |= {"chance_f1": self.chance_f1} | asdict(best)
        line |= {"ranked_latent": self.match.ranked.latent, "ranked_auroc": self.match.ranked.auroc}
        line |= {
            "assigned_latent": assigned.latent if assigned else None,
            "assigned_f1": assigned.f1 if assigned else None,
        }
        for each in self.probes:
            name = "dense" if each.k is None else f"sparse_{each.k}"
            line |= {f"{name}_accuracy": each.accuracy, f"{name}_f1": each.f1, f"{name}_auroc": each.auroc}
        found = self.absorption
        line |= {"main_latents": " ".join(map(str, found.main)), "absorption": found.rate}
        return line | {"told": found.told, "silent": found.silent, "absorbed": found.absorbed}


@dataclass(frozen=True)
class LeftOut:
    """A concept that cannot be measured on these texts."""

    concept: str
    reason: str


@dataclass(frozen=True)
class SAEReport:
    """An SAE on a language model's activations, with a row for each concept whose truth is known."""

    rows: tuple[ConceptRow, ...]
    summary: Mapping[str, float | int | None]
    """FVU, L0, dead, loss recovered, and means over the concepts; None where there is none."""
    provenance: Mapping[str, Any]
    """Model, SAE, hookpoints, texts, seed and versions; no times and no paths."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the SAE is: architecture, sizes, hookpoints."""
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    """Histograms: log10 rates, decoder norms and cosines."""
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        for name in ("summary", "provenance", "about"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    def save(self, folder: str | Path) -> Path:
        """Write `rows.parquet`, a row per concept, and `quality.json`, which carries its checksum."""
        folder = Path(folder)
        write_parquet(folder / ROWS, [plain(each) for each in self.rows])
        rest = {name: getattr(self, name) for name in ("summary", "provenance", "about", "spreads")}
        rest |= {"version": _VERSION, "left_out": self.left_out, "sha256": sha256_file(folder / ROWS)}
        write_json(folder / QUALITY, rest)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> SAEReport:
        """What `save` wrote; CorruptFile where its rows are not those that were saved."""
        folder = Path(folder)
        rest, rows = read_json(folder / QUALITY), read_parquet(folder / ROWS)
        if not isinstance(rest, dict) or rest.get("version") != _VERSION:
            raise CorruptFile(f"{folder / QUALITY} is not of this version; measure again")
        if rest.get("sha256") != sha256_file(folder / ROWS):
            raise CorruptFile(f"{folder / ROWS} was changed since it was saved; measure again")
        try:
            return cls(
                tuple(_row(each) for each in rows),
                rest["summary"],
                rest["provenance"],
                rest["about"],
                {name: _spread(each) for name, each in rest["spreads"].items()},
                tuple(LeftOut(**each) for each in rest["left_out"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise CorruptFile(f"{folder} is no whole measurement ({error!r:.80}); make it anew") from error

    def to_pandas(self) -> pd.DataFrame:
        """A line per concept."""
        return data_frame([each.flat() for each in self.rows])

    def row(self, concept: str) -> ConceptRow:
        """One concept's row; InputError where it was left out or is not known."""
        for each in self.rows:
            if each.concept == concept:
                return each
        why = next((f": {each.reason}" for each in self.left_out if each.concept == concept), "")
        raise InputError(f"there is no row for {concept!r}{why}")

    def _repr_html_(self) -> str:
        notes = [f"{each.concept} left out: {each.reason}" for each in self.left_out]
        return html_table(self._title(), [cells(each) for each in self.rows], notes)

    def _title(self) -> str:
        found = self.summary
        parts = [f"{name.upper()} {found[name]:.3g}" for name in ("fvu", "l0") if found.get(name) is not None]
        return f"{self.provenance.get('read', 'an SAE')}: {', '.join(parts)}"


def cells(row: ConceptRow) -> dict[str, str]:
    """The main figures of a concept, as text."""
    best, rate = row.match.best, row.absorption.rate
    probes = {
        name: f"{found.auroc:.2f}" if (found := row.probe(k)) else "-"
        for name, k in (("1 latent", 1), ("16", 16), ("probe", None))
    }
    return {
        "concept": row.concept,
        "latent": str(best.latent),
        "precision": f"{best.precision:.2f}",
        "recall": f"{best.recall:.2f}",
        "F1": f"{best.f1:.2f}",
        "AUROC": f"{best.auroc:.2f}",
        **probes,
        "absorbed": "-" if rate is None else f"{rate:.1%}",
    }


def _row(record: dict[str, Any]) -> ConceptRow:
    found, assigned = record["match"], record["match"]["assigned"]
    lost = record["absorption"]
    lost = {name: tuple(each) if isinstance(each, list) else each for name, each in lost.items()}
    return ConceptRow(
        record["concept"],
        record["tokens"],
        record["positives"],
        ConceptMatch(Match(**found["best"]), Match(**found["ranked"]), assigned and Match(**assigned)),
        tuple(ProbeScore(**each) for each in record["probes"]),
        Absorption(**lost),
    )


def _spread(record: dict[str, Any]) -> Spread:
    return Spread(tuple(record["counts"]), tuple(record["edges"]))
