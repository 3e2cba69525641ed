"""A folder of explanations and scores: two append-only journals, and a page that says what they are about.

    about.json          model, SAEs, cache, and of every explainer and scorer its settings and configuration
    explanations.jsonl  one line per latent and configuration; of two, the later one counts
    scores.jsonl        the same per latent, configuration and explanation

A line stays when settings change: it is found again when they change back, and is in no result meanwhile.
Knows files and records; no model, no client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.examples import Explanation, Interpretation, LatentFigures, LatentId, Score
from saesteer.llms.client import NOTHING
from saesteer.pipeline.interpretation.codecs import encode, explanation_of, figures_of, score_of
from saesteer.pipeline.interpretation.failing import Fatal
from saesteer.runs import Journal, alone, digest, read_json, write_json

T = TypeVar("T", Explanation, Score)

ABOUT: Final = "about.json"
EXPLANATIONS: Final = "explanations.jsonl"
SCORES: Final = "scores.jsonl"
VERSION: Final = 1
_SILENT: Final = LatentFigures(0.0, 0.0, 0)


class Key(NamedTuple):
    """What one result is of."""

    latent: LatentId
    config: str
    """Of explainer or scorer, example settings and cache."""
    text: str = ""
    """A hash of the explanation that was scored."""

    @property
    def told(self) -> tuple[LatentId, str]:
        """Which words of which latent."""
        return self.latent, self.text


class Results:
    """The folder; made on the first line that is written."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._explanations = Journal(self.folder / EXPLANATIONS)
        self._scores = Journal(self.folder / SCORES)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes here meanwhile; SaesteerError where somebody does."""
        with alone(self.folder / ".lock", self.folder):
            yield

    @property
    def exists(self) -> bool:
        return (self.folder / ABOUT).is_file()

    def about(self) -> dict[str, Any]:
        """What the journals are about."""
        if not self.folder.is_dir():
            raise InputError(f"there is no folder {self.folder}; check the path")
        if not self.exists:
            raise InputError(
                f"{self.folder} holds no explanations (there is no {ABOUT}); saesteer explain makes them"
            )
        found = read_json(self.folder / ABOUT)
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise CorruptFile(f"{self.folder / ABOUT} is none of this version; explain into another folder")
        return found

    def describe(self, about: Mapping[str, Any]) -> None:
        """Write it anew; explainers and scorers that were described before stay, unless named again.

        With other examples they do not: a window that tested one explanation may have made another.
        """
        before = self.about() if self.exists else {}
        _check_same_cache(before, about, self.folder)
        kept = before if before.get("examples") == about.get("examples", before.get("examples")) else {}
        both = {name: {**kept.get(name, {}), **about.get(name, {})} for name in ("explainers", "scorers")}
        write_json(self.folder / ABOUT, {**before, **about, **both, "version": VERSION})

    def keep(self, config: str, found: Explanation | Score, figures: LatentFigures) -> None:
        """One line more, on the disk when this returns."""
        line = {**encode(found), "config": config, "of": encode(figures)}
        try:
            (self._explanations if isinstance(found, Explanation) else self._scores).append(line)
        except (SaesteerError, OSError) as error:
            raise Fatal(str(error)) from error

    def explained(self) -> dict[Key, Explanation]:
        """Every explanation by its key."""
        return {key: found for key, found, _ in self._lines_of(self._explanations)}

    def scored(self) -> dict[Key, bool]:
        """The key of every score, and whether something of it failed."""
        return {key: bool(found.failures) for key, found, _ in self._lines_of(self._scores)}

    def load(self) -> Interpretation:
        """What is current: of the configurations in about.json, and scores of the explanations that stand."""
        about = self.about()
        explaining, scoring = _configs(about, "explainers"), _configs(about, "scorers")
        figures: dict[LatentId, LatentFigures] = {}
        explanations: dict[Key, Explanation] = {}
        for key, found, of in self._lines_of(self._explanations):
            if key.config in explaining:
                explanations[key], figures[key.latent] = _again(found, explanations.get(key)), of
        tellers: dict[tuple[LatentId, str], list[str]] = {}
        for key, each in explanations.items():
            tellers.setdefault((key.latent, hash_of(each)), []).append(each.explainer)
        scores: dict[Key, Score] = {}
        for score_key, score, of in self._lines_of(self._scores):
            if score_key.config in scoring and (not score_key.text or score_key.told in tellers):
                scores[score_key], figures[score_key.latent] = _again(score, scores.get(score_key)), of
        of_each = (one for key, each in scores.items() for one in _of_each(each, tellers.get(key.told, ())))
        return Interpretation(tuple(explanations.values()), tuple(of_each), figures, about)

    def _lines_of(self, journal: Journal) -> Iterator[tuple[Key, Any, LatentFigures]]:
        read = explanation_of if journal is self._explanations else score_of
        for number, line in enumerate(journal, start=1):
            try:
                config, of = str(line.pop("config")), figures_of(line.pop("of"))
                found = read(line)
            except (CorruptFile, KeyError, AttributeError, TypeError) as error:
                raise CorruptFile(f"{journal.path} line {number}: {error}") from error
            yield Key(found.latent, config, _scored_text(found)), found, of


def load_results(folder: str | Path) -> Interpretation:
    """All that explaining and scoring into this folder has found so far."""
    return Results(folder).load()


def save_results(found: Interpretation, folder: str | Path) -> None:
    """Write an interpretation to a folder of its own, as `load_results` reads it."""
    results = Results(folder)
    if results.exists:
        raise InputError(f"{folder} holds results already; give another folder")
    with results.locked():
        kept: set[tuple[type, Key]] = set()
        every: list[Explanation | Score] = [*found.explanations, *found.scores]
        for each in every:
            name = each.explainer if isinstance(each, Explanation) else each.scorer
            config = config_named(found.about, each, name)
            line = (type(each), Key(each.latent, config, _scored_text(each)))
            if line not in kept:  # else the score of another explainer's equal words, which `load` gives back
                results.keep(config, each, found.latents.get(each.latent, _SILENT))
            kept.add(line)
        results.describe(_described(found))


def config_named(about: Mapping[str, Any], found: Explanation | Score, name: str) -> str:
    """The configuration that an explainer or scorer has in about.json, or one made of its name."""
    part = about.get("explainers" if isinstance(found, Explanation) else "scorers", {})
    entry = part.get(name, {}) if isinstance(part, Mapping) else {}
    return str(entry["config"]) if isinstance(entry, Mapping) and "config" in entry else digest(name)[:16]


def hash_of(explanation: Explanation | None) -> str:
    """What stands for an explanation's text in the key of a score; "" for none."""
    return "" if explanation is None or explanation.text is None else digest(explanation.text)[:16]


def _scored_text(found: Explanation | Score) -> str:
    """Scores alone have one."""
    if isinstance(found, Explanation) or found.explanation is None:
        return ""
    return digest(found.explanation)[:16]


def _again(found: T, before: T | None) -> T:
    """A result that was had anew, with what the tries before it took."""
    return found if before is None else replace(found, usage=before.usage + found.usage)


def _of_each(score: Score, explainers: Sequence[str]) -> Iterator[Score]:
    """Where several explainers said the same, the one score is that of each; it was paid for once."""
    if score.explanation is None:
        yield score
        return
    for number, name in enumerate(explainers):
        yield replace(score, explainer=name, usage=score.usage if number == 0 else NOTHING)


def _configs(about: Mapping[str, Any], part: str) -> set[str]:
    return {str(each["config"]) for each in about.get(part, {}).values()}


def _described(found: Interpretation) -> dict[str, Any]:
    """about.json with an entry for every name that occurs."""
    about = dict(found.about)
    named: list[tuple[str, Explanation | Score, str]] = [
        *(("explainers", each, each.explainer) for each in found.explanations),
        *(("scorers", each, each.scorer) for each in found.scores),
    ]
    for part, each, name in named:
        entries = dict(about.get(part, {}))
        entries[name] = {**entries.get(name, {}), "config": config_named(found.about, each, name)}
        about[part] = entries
    return about


def _check_same_cache(before: Mapping[str, Any], about: Mapping[str, Any], folder: Path) -> None:
    one, other = before.get("cache", {}), about.get("cache", {})
    if one and other and one.get("fingerprint") != other.get("fingerprint"):
        raise InputError(f"{folder} holds results of another cache; give another folder with --out")
