"""The page: records through a template that escapes everything, into one file that needs no other."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from saesteer.errors import InputError
from saesteer.report.findings import caution, method_findings, reaches, sentences
from saesteer.report.plots import overview_plot, pareto_plot, place_of, product_plot
from saesteer.report.records import ConceptResult, LatentEvidence, MethodResult, Report
from saesteer.report.templating import environment, flat, style
from saesteer.runs import plain, write_text

_WIDE, _NARROW = 8.6, 4.3  # inches; the page shows one or the other


def write_report(report: Report, path: str | Path) -> Path:
    """Write the page to `path`, whole or not at all; the links in it start from the folder of `path`."""
    if Path(path).suffix != ".html":
        raise InputError(f"a report is one .html file, got {path}; name it report.html")
    write_text(path, render(report))
    return Path(path)


def render(report: Report) -> str:
    """The whole page as one string: no script, nothing from elsewhere."""
    places = place_of(report)
    page = _environment().get_template("page.html")
    return page.render(
        report=report,
        style=style("style.css"),
        findings=sentences(report),
        caution=caution(report),
        methods=method_findings(report),
        places=places,
        overview=[overview_plot(report, places, width, f"o{width:g}") for width in (_WIDE, _NARROW)],
        plots=[_plots(report, concept, places, f"c{n}") for n, concept in enumerate(report.concepts)],
        shown=[_by_role(concept) for concept in report.concepts],
        best=[best_steering(concept) for concept in report.concepts],
        provenance=flat(plain(report.provenance)),
    )


def best_steering(concept: ConceptResult) -> MethodResult | None:
    """The steering method with the highest behaviour here."""
    steering = [each for each in concept.methods if each.role == "steering" and each.outcome]
    return max(steering, key=lambda each: each.outcome.figures.behaviour.estimate, default=None)  # type: ignore[union-attr]


def _by_role(concept: ConceptResult) -> list[MethodResult]:
    """The methods with texts to show, steering first and the best of it foremost."""
    order = ("steering", "prompting", "control")
    best = best_steering(concept)
    kept = [each for each in concept.methods if each.pairs]
    return sorted(kept, key=lambda each: (order.index(each.role), each is not best))


def _plots(report: Report, concept: ConceptResult, places: dict[str, int], key: str) -> tuple[Markup, ...]:
    points = [point for method in concept.methods for point in method.points]
    judged = [point.coherence for point in points] + [concept.base.coherence]
    if not points or None in judged:
        return ()
    return (
        product_plot(concept, places, f"{key}s"),
        pareto_plot(concept, places, report.coherence, f"{key}p"),
    )


def _environment() -> Environment:
    found = environment()
    found.filters["heat"] = _heat
    found.globals["reaches"] = reaches
    return found


def _heat(activation: float, latent: LatentEvidence) -> int:
    """An activation as a percentage of the highest that is shown."""
    top = max((value for each in latent.contexts for value in each.activations), default=0.0)
    return round(100 * max(0.0, activation) / top) if top > 0 else 0
