"""The page: records through a template that escapes everything, into one file that needs no other."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from saesteer.errors import InputError
from saesteer.report.cost import cost_lines
from saesteer.report.findings import caution, method_findings, reaches, sentences, side
from saesteer.report.heat_plot import hottest
from saesteer.report.marked import marked
from saesteer.report.measures import BESIDE, label
from saesteer.report.palette import inline
from saesteer.report.plots import dose_plot, has_coherence, overview_plot, pareto_plot, place_of
from saesteer.report.records import ConceptResult, LatentEvidence, MethodResult, Report
from saesteer.report.sides import sides
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
        side=side(report),
        methods=method_findings(report),
        places=places,
        hottest=hottest(report),
        overview=[_overview(report, places, width) for width in (_WIDE, _NARROW) if places],
        plots=[_plots(report, concept, places, f"c{n}") for n, concept in enumerate(report.concepts)],
        shown=[by_role(concept, report.sign) for concept in report.concepts],
        best=[best_steering(concept, report.sign) for concept in report.concepts],
        sides=sides(report),
        cost=cost_lines(report.cost) if report.cost else (),
        measures=measured(report),
        provenance=flat(plain(report.provenance)),
    )


def measured(report: Report) -> dict[str, str]:
    """The side effects of the report: name -> what it is, in the order of docs/measures.md."""
    found = {name for c in report.concepts for m in c.methods if m.beside for name in m.beside.figures}
    known = {name: text for name, (_, text) in BESIDE.items() if name in found}
    return known | {name: "" for name in sorted(found - set(BESIDE))}


def best_steering(concept: ConceptResult, sign: int = 1) -> MethodResult | None:
    """The steering method with the highest behaviour here; the lowest where `sign` is -1."""
    steering = [each for each in concept.methods if each.role == "steering" and each.outcome]
    return max(steering, key=lambda each: sign * each.outcome.figures.behaviour.estimate, default=None)  # type: ignore[union-attr]


def by_role(concept: ConceptResult, sign: int = 1) -> list[MethodResult]:
    """The methods with texts to show, steering first and the best of it foremost."""
    order = ("steering", "prompting", "control")
    best = best_steering(concept, sign)
    kept = [each for each in concept.methods if each.pairs]
    return sorted(kept, key=lambda each: (order.index(each.role), each is not best))


def _overview(report: Report, places: dict[str, int], width: float) -> Markup:
    alt = "Behaviour of each method on each concept, beside the base rate."
    return inline(lambda palette: overview_plot(report, places, width, palette), f"o{width:g}", alt)


def _plots(report: Report, concept: ConceptResult, places: dict[str, int], key: str) -> tuple[Markup, ...]:
    if not any(method.points for method in concept.methods):
        return ()
    floor, judged = report.coherence, has_coherence(concept)
    dose = inline(
        lambda palette: dose_plot(concept, places, floor, palette),
        f"{key}s",
        f"Behaviour {'and coherence ' if judged else ''}against strength for {concept.name}.",
    )
    if not judged:
        return (dose,)
    way = inline(
        lambda palette: pareto_plot(concept, places, floor, palette),
        f"{key}p",
        f"Behaviour against coherence as the strength grows, for {concept.name}.",
    )
    return dose, way


def _environment() -> Environment:
    found = environment()
    found.filters |= {"heat": _heat, "marked": marked, "measure": label}
    found.globals["reaches"] = reaches
    return found


def _heat(activation: float, latent: LatentEvidence) -> int:
    """An activation as a percentage of the highest that is shown."""
    top = max((value for each in latent.contexts for value in each.activations), default=0.0)
    return round(100 * max(0.0, activation) / top) if top > 0 else 0
