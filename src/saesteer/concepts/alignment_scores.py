"""The scores of an SAE's latents for a topic, with where they belong: another model, SAE or layer is refused.

Knows files and numbers; reads no text.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from saesteer.concepts.trust import UNKNOWN, Verdict
from saesteer.errors import CorruptFile, InputError
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel
from saesteer.runs import plain, read_json, read_parquet, sha256_file, write_json, write_parquet, write_text
from saesteer.runs.views import data_frame, html_table
from saesteer.saes import SAE
from saesteer.text.tables import read_records

if TYPE_CHECKING:
    import pandas as pd

By = Literal["low", "score"]
"""Rank by the score alone, as the paper does, or by the lower end of its interval.

The latents of the highest scores are often active on one prompt, which happens to be near the topic.
"""
ROWS: Final = "scores.parquet"
REST: Final = "scores.json"
VERSION: Final = 1


@dataclass(frozen=True)
class AlignedLatent:
    """How near one latent is to the topic."""

    latent: int
    score: float
    """0 to 1, high is near; 0 where it has no support."""
    low: float | None
    """Ends of the bootstrap interval; None where none was made."""
    high: float | None
    support: int | None
    """Texts on which it is active; 0: unsupported. None: imported scores, which do not say."""
    level: float | None = None
    """Its mean activation on the topic texts, where active; None where it is silent or they were not read."""

    @property
    def supported(self) -> bool:
        """Whether there is any evidence of it."""
        return self.support != 0

    def value(self, by: By) -> float:
        """The score, or the lower end of its interval where one was made."""
        return self.score if by == "score" or self.low is None else self.low


@dataclass(frozen=True)
class Home:
    """Where latents are those that were scored."""

    model: str
    """For people; the fingerprints decide."""
    model_fingerprint: str
    sae_fingerprint: str
    hookpoint: str
    d_sae: int

    @classmethod
    def of(cls, lm: LanguageModel, sae: SAE, at: str | None = None) -> Home:
        """Of this model and SAE; an error where they do not fit."""
        at = hookpoint_of(lm, sae, at)
        return cls(lm.name, lm.fingerprint(), sae.fingerprint(), at, sae.cfg.d_sae)


@dataclass(frozen=True)
class AlignmentScores:
    """Every latent of an SAE, the nearest to the topic first."""

    rows: tuple[AlignedLatent, ...]
    home: Home
    topic: str = ""
    verdict: Verdict = UNKNOWN
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Coverage, FVU and what else the verdict stands on."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(row.latent for row in self.rows) != list(range(self.home.d_sae)):
            raise InputError(
                f"scores are one for each of {self.home.d_sae} latents, got {len(self.rows)} rows; "
                "a latent is missing or stands twice"
            )
        wrong = [row for row in self.rows if not 0 <= row.score <= 1]
        if wrong:
            raise InputError(f"a score lies between 0 and 1, got {wrong[0].score} of {wrong[0].latent}")
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=_nearest)))
        for name in ("summary", "provenance"):
            object.__setattr__(self, name, plain(dict(getattr(self, name))))

    def values(self, by: By = "score") -> Float[np.ndarray, " d_sae"]:
        """A number per latent, by latent; 0 for the unsupported."""
        _check_by(by)
        found = np.zeros(self.home.d_sae)
        for row in self.rows:
            found[row.latent] = row.value(by) if row.supported else 0.0
        return found

    @property
    def unsupported(self) -> Int[np.ndarray, " n"]:
        """The latents of which there is no evidence."""
        return np.array(sorted(row.latent for row in self.rows if not row.supported), dtype=np.int64)

    def top(self, n: int = 5, by: By = "low") -> tuple[AlignedLatent, ...]:
        """The nearest of those with support."""
        _check_by(by)
        rows = [row for row in self.rows if row.supported]
        return tuple(sorted(rows, key=lambda row: -row.value(by))[:n])

    def check(self, lm: LanguageModel, sae: SAE, at: str | None = None) -> None:
        """InputError, which says what differs, for any other model, SAE or hookpoint."""
        home, here = self.home, Home.of(lm, sae, at)
        for what, mine, other in (
            ("model", home.model_fingerprint, here.model_fingerprint),
            ("SAE", home.sae_fingerprint, here.sae_fingerprint),
            ("hookpoint", home.hookpoint, here.hookpoint),
        ):
            if mine != other:
                raise InputError(
                    f"the scores{f' of {self.topic!r}' if self.topic else ''} are of the {what} "
                    f"{mine[:12]} but this one is {other[:12]}; load that {what}, or score again"
                )

    def save(self, folder: str | Path) -> Path:
        """Write `scores.parquet`, a row per latent, and `scores.json`, which carries its checksum."""
        folder = Path(folder)
        write_parquet(folder / ROWS, [asdict(row) for row in self.rows])
        rest = {"version": VERSION, "home": asdict(self.home), "topic": self.topic}
        rest |= {"verdict": self.verdict.to_dict(), "notes": self.notes}
        rest |= {"summary": self.summary, "provenance": self.provenance, "sha256": sha256_file(folder / ROWS)}
        write_json(folder / REST, rest)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> AlignmentScores:
        """Scores that were saved; CorruptFile where they are not those any more."""
        folder = Path(folder)
        rest = read_json(folder / REST)
        if not isinstance(rest, dict) or rest.get("version") != VERSION:
            raise CorruptFile(f"{folder / REST} is not of scores of version {VERSION}; score again")
        rows = read_parquet(folder / ROWS)
        if sha256_file(folder / ROWS) != rest.get("sha256"):
            raise CorruptFile(f"{folder / ROWS} was changed since it was saved; score again")
        try:
            return cls(
                tuple(AlignedLatent(**row) for row in rows),
                Home(**rest["home"]),
                rest["topic"],
                Verdict.from_dict(rest["verdict"]),
                tuple(rest["notes"]),
                rest["summary"],
                rest["provenance"],
            )
        except (AttributeError, KeyError, TypeError, InputError) as error:
            raise CorruptFile(f"{folder} holds no whole scores ({error!r:.80}); score again") from error

    def write_csv(self, path: str | Path) -> None:
        """A line per latent with its score, blank where it has no support; as `medical_scores.csv`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["", "0"])
        for row in sorted(self.rows, key=lambda each: each.latent):
            writer.writerow([row.latent, repr(row.score) if row.supported else ""])
        write_text(path, text.getvalue())

    @classmethod
    def read_csv(
        cls, path: str | Path, lm: LanguageModel, sae: SAE, at: str | None = None, topic: str = ""
    ) -> AlignmentScores:
        """A table of latents and scores, which does not say of which model and SAE: the caller does.

        Blank and NaN scores are unsupported latents. InputError names the line of anything else.
        """
        found = _read_scores(Path(path))
        blank = sum(score is None for score in found.values())
        notes = ["imported: support, intervals and verdict are not known"]
        if blank:
            notes.append(f"{blank} of {len(found)} scores are blank: unsupported latents, masked with 0")
        rows = [
            AlignedLatent(latent, score or 0.0, None, None, 0 if score is None else None)
            for latent, score in found.items()
        ]
        about = {"form": "imported", "file_sha256": sha256_file(path)}
        name = topic or Path(path).stem
        return cls(tuple(rows), Home.of(lm, sae, at), name, notes=tuple(notes), provenance=about)

    def to_pandas(self) -> pd.DataFrame:
        """A row per latent."""
        return data_frame([asdict(row) for row in self.rows])

    def cells(self, n: int = 10, by: By = "low") -> list[dict[str, str]]:
        """The nearest latents as a table's cells."""
        return [
            {
                "latent": str(row.latent),
                "score": f"{row.score:.3f}",
                "interval": "" if row.low is None else f"{row.low:.2f} to {row.high:.2f}",
                "active on": "" if row.support is None else f"{row.support} texts",
                "level": "" if row.level is None else f"{row.level:.3g}",
            }
            for row in self.top(n, by)
        ]

    def _repr_html_(self) -> str:
        return html_table(f"{self.topic}: {self.verdict}", self.cells(), self.notes)


def _nearest(row: AlignedLatent) -> tuple[float, int, int]:
    """High scores first, among equals those with more support, then by number."""
    return (-row.score, -(row.support or 0), row.latent)


def _check_by(by: str) -> None:
    if by not in get_args(By):
        raise InputError(f"latents are ranked by {' or '.join(get_args(By))}, got {by!r}")


def _read_scores(path: Path) -> dict[int, float | None]:
    found: dict[int, float | None] = {}
    for record in read_records(path):
        cells = list(record.values.values())
        if len(cells) != 2:
            raise InputError(f"{record.where} has {len(cells)} columns, not a latent and its score")
        latent, score = _whole(cells[0], record.where), _score(cells[1], record.where)
        if latent in found:
            raise InputError(f"{record.where}: latent {latent} stands twice; keep one")
        found[latent] = score
    return found


def _whole(value: Any, where: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer() or number < 0:
        raise InputError(f"{where}: a latent is a whole number from 0 up, got {value!r}; mend it")
    return int(number)


def _score(value: Any, where: str) -> float | None:
    if value is None or not str(value).strip():
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{where}: a score is a number or blank, got {value!r}; mend it") from None
    if math.isnan(number):
        return None
    if not 0 <= number <= 1:
        raise InputError(f"{where}: a score lies between 0 and 1, got {value!r}; mend it")
    return number
