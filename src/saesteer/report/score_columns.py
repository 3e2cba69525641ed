"""Scores side by side: a column per scorer, and per explainer where there are several. Knows no drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from saesteer.examples import Explanation, Interpretation, LatentId, Score


@dataclass(frozen=True, eq=False)
class Column:
    """What one scorer says of the explanations of one explainer."""

    scorer: str
    explainer: str | None
    """None where there is one explainer only, or the scorer reads no explanation."""
    scores: Mapping[LatentId, Score]
    said: str = ""
    """What the scorer itself calls its headline, where the results say so."""

    @property
    def label(self) -> str:
        """As tables and figures call it."""
        return self.scorer if self.explainer is None else f"{self.scorer} of {self.explainer}"

    @cached_property
    def values(self) -> dict[LatentId, float]:
        """The headline of each latent that has one."""
        return _numbers((latent, score.value) for latent, score in self.scores.items())

    def figure(self, name: str) -> dict[LatentId, float]:
        """One figure of each latent that has it."""
        return _numbers((latent, score.figures.get(name)) for latent, score in self.scores.items())

    @cached_property
    def headline(self) -> str:
        """Which figure the headline is: as the results say, else the one that equals it wherever it is."""
        if self.said:
            return self.said
        scored = [each for each in self.scores.values() if self.values.get(each.latent) is not None]
        names = scored[0].figures if scored else ()
        return next((name for name in names if all(_same(each, name) for each in scored)), "score")


def columns(interpretation: Interpretation) -> tuple[Column, ...]:
    """In the order in which scorers and explainers first appear."""
    written = _explanations(interpretation)
    named = {each.explainer for each in interpretation.explanations if each.text}
    several = len(named | {each.explainer for each in interpretation.scores if each.explainer}) > 1
    found: dict[tuple[str, str | None], dict[LatentId, Score]] = {}
    for score in interpretation.scores:
        names = [each.explainer for each in written.get((score.latent, score.explanation), ())]
        names = [score.explainer] if score.explainer else names
        free = (name for name in names if score.latent not in found.get((score.scorer, name), {}))
        explainer = next(free, None) if several else None
        found.setdefault((score.scorer, explainer), {})[score.latent] = score
    said = {scorer: _said(interpretation, scorer) for scorer, _ in found}
    return tuple(
        Column(scorer, explainer, scores, said[scorer]) for (scorer, explainer), scores in found.items()
    )


def finite(value: Any) -> float | None:
    """A number that can be averaged, or None: rows come from files and from plugins."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _said(interpretation: Interpretation, scorer: str) -> str:
    entries = interpretation.about.get("scorers")
    entry = entries.get(scorer) if isinstance(entries, Mapping) else None
    said = entry.get("headline") if isinstance(entry, Mapping) else None
    return said if isinstance(said, str) else ""


def _explanations(interpretation: Interpretation) -> dict[tuple[LatentId, str | None], list[Explanation]]:
    found: dict[tuple[LatentId, str | None], list[Explanation]] = {}
    for each in interpretation.explanations:
        if each.text:
            found.setdefault((each.latent, each.text), []).append(each)
    return found


def _numbers(pairs: Iterable[tuple[LatentId, Any]]) -> dict[LatentId, float]:
    return {latent: number for latent, value in pairs if (number := finite(value)) is not None}


def _same(score: Score, name: str) -> bool:
    return finite(score.figures.get(name)) == finite(score.value)
