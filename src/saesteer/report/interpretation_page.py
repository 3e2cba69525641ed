"""The page of an interpretation: what explanations are worth, by every scorer. Knows no drawing, no cache."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from saesteer.errors import InputError
from saesteer.examples import Interpretation, LatentId
from saesteer.llms.client import total
from saesteer.report import words
from saesteer.report.interpretation_findings import findings
from saesteer.report.interpretation_plots import quantile_plot, rate_plot, roc_plot, spread_plot
from saesteer.report.score_agreement import Agreement, agreements
from saesteer.report.score_answers import accuracies
from saesteer.report.score_columns import Column, columns
from saesteer.report.score_summary import ScorerSummary, costs, failures, summary_of
from saesteer.report.templating import TEMPLATES, environment, flat, style
from saesteer.report.token_marks import drawn
from saesteer.runs import plain, write_text

MOST: Final = 1000
"""Latents that the page lists, unless more are asked for."""


@dataclass(frozen=True)
class PageNotes:
    """What the page says beside the results."""

    title: str = "Latents and their explanations"
    command: str = ""
    rows: str = ""
    """The file or folder with all answers, from the folder of the page."""
    most: int = MOST


@dataclass(frozen=True)
class LatentLine:
    """A latent in the table."""

    latent: LatentId
    link: str | None
    text: str | None
    failure: str
    density: float | None
    values: tuple[float | None, ...]


def write_overview(
    interpretation: Interpretation,
    path: str | Path,
    links: Mapping[LatentId, str] | None = None,
    notes: PageNotes | None = None,
) -> Path:
    """Write the page to `path`; `links` are those of latents that have a page of their own."""
    if Path(path).suffix != ".html":
        raise InputError(f"a page is one .html file, got {path}; name it report.html")
    write_text(path, render_interpretation(interpretation, links, notes))
    return Path(path)


def render_interpretation(
    interpretation: Interpretation,
    links: Mapping[LatentId, str] | None = None,
    notes: PageNotes | None = None,
) -> str:
    """The whole page as one string: nothing from elsewhere; its one script sorts the table of latents."""
    links, notes = links or {}, notes or PageNotes()
    table = columns(interpretation)
    summaries = tuple(summary_of(each, interpretation) for each in table)
    failed, pairs = failures(interpretation), agreements(table)
    lines = latent_lines(interpretation, table, links)
    paid = costs(interpretation)
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    return (
        pages()
        .get_template("interpretation.html")
        .render(
            notes=notes,
            style=style("style.css", "interpretation.css"),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            findings=findings(interpretation, summaries, failed),
            kind=_kind(interpretation),
            summaries=summaries,
            saes=list(dict.fromkeys(sae for each in summaries for sae in each.weighted_f1)),
            plots=_plots(interpretation, table, summaries, links),
            pairs={(each.one, each.other): each for each in pairs},
            mirrored=_mirrored(pairs),
            failures=failed,
            costs=paid,
            together=total([each.usage for each in paid]),
            links=links,
            lines=lines[: notes.most],
            left_out=max(0, len(lines) - notes.most),
            settings=flat(plain(dict(interpretation.about))),
        )
    )


def latent_lines(
    interpretation: Interpretation, table: tuple[Column, ...], links: Mapping[LatentId, str]
) -> list[LatentLine]:
    """Every latent, those with the highest first score first, those without one last."""
    texts: dict[LatentId, str] = {}
    failed: dict[LatentId, str] = {}
    for each in interpretation.explanations:
        if each.text:
            texts.setdefault(each.latent, each.text)
        elif each.failure is not None:
            failed.setdefault(each.latent, each.failure.kind)
    names = [*interpretation.latents, *(each.latent for each in interpretation.explanations)]
    names += [each.latent for each in interpretation.scores]
    lines = [
        LatentLine(
            latent, links.get(latent), texts.get(latent), failed.get(latent, ""),
            known.density if (known := interpretation.latents.get(latent)) else None,
            tuple(column.values.get(latent) for column in table),
        )
        for latent in dict.fromkeys(names)
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (*(-_low(value) for value in line.values), line.latent))


@cache
def pages() -> Environment:
    """One environment for all pages of a run: templates are read once."""
    found = environment()
    found.filters |= {"density": density, "kind": lambda text: text.replace("_", " ")}
    found.filters |= {"exact": words.exact, "shown": lambda token: words.bare_token(drawn(token))}
    return found


def density(value: float | None) -> str:
    """A firing rate in percent, with as many digits as tell two apart."""
    if value is None:
        return words.number(None)
    digits = 4 if value < 1e-4 else 3 if value < 1e-2 else 1
    return f"{words.number(100 * value, digits)}\N{NO-BREAK SPACE}%"


def _low(value: float | None) -> float:
    return float("-inf") if value is None else value


def _kind(interpretation: Interpretation) -> str:
    saes = dict.fromkeys(each.sae for each in interpretation.latents)
    saes |= dict.fromkeys(each.latent.sae for each in interpretation.explanations)
    of = f" of {', '.join(saes)}" if 0 < len(saes) <= 4 else f" of {len(saes)} SAEs" if saes else ""
    many = len(interpretation.latents)
    model = interpretation.about.get("model")
    model = model.get("source") if isinstance(model, Mapping) else model
    named = f", model {model}" if isinstance(model, str) else ""
    return f"{many:,} {'latent' if many == 1 else 'latents'}{of}{named}"


def _plots(
    interpretation: Interpretation,
    table: tuple[Column, ...],
    summaries: tuple[ScorerSummary, ...],
    links: Mapping[LatentId, str],
) -> dict[str, Any]:
    by_quantile = [(place, accuracies(each)) for place, each in enumerate(table)]
    curves = [(place, each.roc) for place, each in enumerate(summaries) if each.roc is not None]
    with_f1 = [place for place, each in enumerate(table) if each.figure("f1")]
    return {
        "spreads": [
            (place, each.label, spread_plot(each, place, f"s{place}"))
            for place, each in enumerate(table)
            if each.values
        ],
        "rates": rate_plot(table, interpretation, links, "rates"),
        "rates_of": with_f1,
        "quantiles": quantile_plot(by_quantile, "quantiles"),
        "accuracies": [(place, row) for place, row in by_quantile if row],
        "roc": roc_plot(curves, "roc"),
        "curves": curves,
    }


def _mirrored(pairs: tuple[Agreement, ...]) -> dict[tuple[str, str], Agreement]:
    return {(each.other, each.one): each for each in pairs}
