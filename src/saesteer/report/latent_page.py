"""The page of one latent: what it stands for, where it fires, what it promotes, how scorers judged.

Knows a cache and results, both of which may be missing; not how logit effects or neighbours are found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from saesteer.cache import Entries, LatentCache, Statistics
from saesteer.errors import InputError
from saesteer.examples import Explanation, Interpretation, LatentFigures, LatentId
from saesteer.latents import LogitEffect
from saesteer.report.bars import histogram_bars
from saesteer.report.interpretation_page import pages
from saesteer.report.latent_answers import MOST, in_order, shown_answer, start_of
from saesteer.report.latent_contexts import contexts, window_at
from saesteer.report.score_columns import Column, columns
from saesteer.report.templating import style
from saesteer.report.token_marks import marked_tokens
from saesteer.report.words import number
from saesteer.runs import write_text

NOTHING_FOUND: Final = Interpretation((), (), {})
_COUNTS: Final = ("tp", "fp", "tn", "fn")


@dataclass(frozen=True)
class Neighbour:
    """Another latent that is like this one."""

    latent: LatentId
    similarity: float
    by: str
    """What the similarity is of: "jaccard", "decoder", ..."""


@dataclass(frozen=True)
class LatentNotes:
    """How pages of latents are drawn, and where they lie."""

    length: int = 32
    """Tokens of a test window: rows of scores say where one begins."""
    strongest: int = 12
    per_band: int = 3
    home: str = ""
    """The page of the interpretation, from the folder of this page."""
    command: str = ""
    links: Mapping[LatentId, str] = field(default_factory=dict)
    """Of other latents, from the folder of this page."""


class LatentPages:
    """Pages of many latents from the same cache and results; what they share is looked up once."""

    def __init__(
        self,
        cache: LatentCache | None = None,
        interpretation: Interpretation = NOTHING_FOUND,
        effect: Callable[[LatentId], LogitEffect | None] = lambda _: None,
        neighbours: Mapping[LatentId, Sequence[Neighbour]] | None = None,
        notes: LatentNotes | None = None,
    ) -> None:
        self._cache, self._effect = cache, effect
        self._neighbours, self._notes = neighbours or {}, notes or LatentNotes()
        self._known = interpretation.latents
        self._columns = columns(interpretation)
        self._explanations: dict[LatentId, list[Explanation]] = {}
        for each in interpretation.explanations:
            self._explanations.setdefault(each.latent, []).append(each)
        self._style = style("style.css", "latent.css")

    def write(self, latent: LatentId, path: str | Path) -> Path:
        """Write the page to `path`, whole or not at all."""
        if Path(path).suffix != ".html":
            raise InputError(f"a page is one .html file, got {path}; name it {latent.latent}.html")
        write_text(path, self.render(latent))
        return Path(path)

    def render(self, latent: LatentId) -> str:
        """The whole page as one string: no script, nothing from elsewhere."""
        entries = self._entries(latent)
        return (
            pages()
            .get_template("latent.html")
            .render(
                latent=latent,
                notes=self._notes,
                style=self._style,
                explanations=self._explanations.get(latent, []),
                figures=self._figures(latent),
                bars=self._bars(latent),
                effect=self._effect(latent),
                contexts=self._contexts(latent, entries),
                cached=entries is not None,
                scores=self._scores(latent, entries),
                neighbours=[self._neighbour(each) for each in self._neighbours.get(latent, ())],
            )
        )

    def _entries(self, latent: LatentId) -> Entries | None:
        if self._cache is None or (latent.sae not in self._cache.tables and self._is_known(latent)):
            return None
        return self._cache[latent.sae].latent(latent.latent)

    def _is_known(self, latent: LatentId) -> bool:
        return latent in self._known or latent in self._explanations

    def _statistics(self, latent: LatentId) -> Statistics | None:
        tables = {} if self._cache is None else self._cache.tables
        return tables[latent.sae].statistics if latent.sae in tables else None

    def _figures(self, latent: LatentId) -> list[tuple[str, str]]:
        found, known = self._statistics(latent), self._known.get(latent)
        return _of_results(known) if found is None else _of_cache(found, latent.latent, known)

    def _bars(self, latent: LatentId) -> Markup:
        found = self._statistics(latent)
        if found is None:
            return Markup("")
        alt = f"How strongly {latent} fires, where it does."
        return histogram_bars(found.histogram[latent.latent], found.edges, alt)

    def _contexts(self, latent: LatentId, entries: Entries | None) -> list[tuple[Any, list[Markup]]]:
        if self._cache is None or entries is None:
            return []
        found = contexts(self._cache, entries, self._notes.strongest, self._notes.per_band)
        largest = found[0].high if found else 0.0
        return [(each, [marked_tokens(one, largest) for one in each.examples]) for each in found]

    def _scores(self, latent: LatentId, entries: Entries | None) -> list[dict[str, Any]]:
        """Windows that several scorers were asked about are drawn once."""
        largest = 0.0 if entries is None else float(entries.values.max(initial=0.0))

        @cache
        def text(start: int | None) -> Markup:
            if self._cache is None or entries is None or start is None:
                return Markup("")
            window = window_at(self._cache, entries, start, self._notes.length)
            return Markup("") if window is None else marked_tokens(window, largest)

        columns = enumerate(self._columns)
        return [_score(each, place, latent, text) for place, each in columns if latent in each.scores]

    def _neighbour(self, each: Neighbour) -> dict[str, Any]:
        texts = (one.text for one in self._explanations.get(each.latent, []) if one.text)
        link = self._notes.links.get(each.latent)
        return {"of": each, "text": next(texts, ""), "link": link}


def latent_page(
    cache: LatentCache | None,
    latent: LatentId,
    interpretation: Interpretation = NOTHING_FOUND,
    effect: LogitEffect | None = None,
    neighbours: Sequence[Neighbour] = (),
    notes: LatentNotes | None = None,
) -> str:
    """One page as a string; of many, `LatentPages` makes each faster."""
    return LatentPages(cache, interpretation, lambda _: effect, {latent: neighbours}, notes).render(latent)


def _score(
    column: Column, place: int, latent: LatentId, text: Callable[[int | None], Markup]
) -> dict[str, Any]:
    score = column.scores[latent]
    return {
        "place": place,
        "label": column.label,
        "headline": column.headline,
        "value": column.values.get(latent),
        "figures": [_figure(name, value) for name, value in score.figures.items() if value is not None],
        "failures": score.failures,
        "answers": [(shown_answer(row), text(start_of(row))) for row in in_order(score)[:MOST]],
        "all": len(score.rows),
    }


def _figure(name: str, value: float) -> tuple[str, str]:
    """In the words of the page: counts whole, the weakest part of the active windows 1."""
    label = re.sub(r"quantile_(\d+)", lambda part: f"part {int(part[1]) + 1}", name)
    return label.replace("_", " "), number(value, 0 if name in _COUNTS else 3)


def _of_cache(found: Statistics, latent: int, known: LatentFigures | None) -> list[tuple[str, str]]:
    count, tokens = int(found.count[latent]), found.tokens
    lines = [
        ("Fires at", f"{100 * count / max(1, tokens):.3g} % of {tokens:,} tokens"),
        ("Tokens, rows", f"{count:,} in {int(found.rows[latent]):,} rows"),
    ]
    if count:
        lines.append(("Largest, mean", f"{found.max[latent]:.4g}, {found.sum[latent] / count:.4g}"))
    return [*lines, ("Windows", f"{known.windows:,}")] if known else lines


def _of_results(known: LatentFigures | None) -> list[tuple[str, str]]:
    if known is None:
        return []
    return [
        ("Fires at", f"{100 * known.density:.3g} % of the tokens"),
        ("Windows", f"{known.windows:,}"),
        ("Largest", f"{known.max:.4g}"),
    ]
