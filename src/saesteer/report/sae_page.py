"""The page of one SAE: what it is, what it loses, how it fires, which concepts it has. Knows no drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from saesteer.errors import InputError
from saesteer.evaluation.saes import SAEReport
from saesteer.report.sae_plots import (
    DETECTORS,
    concept_plot,
    curve_plots,
    density_plot,
    loss_plot,
    spread_plot,
)
from saesteer.report.templating import environment, flat, style
from saesteer.report.words import number
from saesteer.runs import write_text

if TYPE_CHECKING:
    from saesteer.training import TrainMetrics

_WIDE, _NARROW = 8.6, 4.3  # inches; the page shows one or the other


def write_sae_page(
    report: SAEReport,
    path: str | Path,
    name: str,
    training: Sequence[TrainMetrics] = (),
    command: str = "",
) -> Path:
    """Write the page to `path`, one .html file that needs no other. `training`: records of the SAE's run."""
    if Path(path).suffix != ".html":
        raise InputError(f"a page is one .html file, got {path}; name it page.html")
    write_text(path, render_sae(report, name, training, command))
    return Path(path)


def render_sae(report: SAEReport, name: str, training: Sequence[TrainMetrics] = (), command: str = "") -> str:
    """The whole page as one string: no script, nothing from elsewhere."""
    rows = report.rows
    return (
        environment()
        .get_template("sae.html")
        .render(
            report=report,
            name=name,
            command=command,
            style=style("style.css", "quality.css"),
            kind=_kind(report.about),
            findings=findings(report),
            figures=_figures(report.summary),
            plots=_plots(report),
            curves=curve_plots(training),
            detectors=DETECTORS,
            concepts=[concept_plot(rows, width, f"c{width:g}") for width in (_WIDE, _NARROW)] if rows else [],
            provenance=flat(dict(report.provenance)),
        )
    )


def findings(report: SAEReport) -> tuple[str, ...]:
    """The summary in sentences, at the top of the page."""
    s = report.summary
    lines = [
        f"Reconstruction: FVU {_said(s, 'fvu', 4)} with {_said(s, 'l0', 1)} active latents a token; "
        f"{_share(s, 'explained')} of the variance is explained.",
        f"Loss: {_said(s, 'loss_plain', 3)} nats per token without the SAE, {_said(s, 'loss_spliced', 3)} "
        f"with it spliced in; {_share(s, 'recovered_over_zero')} of what zeros lose is recovered, "
        f"{_share(s, 'recovered_over_mean')} of what the mean loses.",
        f"Latents: {_share(s, 'dead')} are silent on these {s['tokens']:,} tokens, {_share(s, 'dense')} fire "
        "at more than a tenth of them.",
    ]
    if report.rows:
        lines += _of_concepts(s)
    if report.left_out:
        names = ", ".join(each.concept for each in report.left_out)
        lines.append(f"Left out: {len(report.left_out)} concepts with too few tokens on a side: {names}.")
    return tuple(lines)


def _of_concepts(s: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Concepts: {s['detected_0.5']} of {s['concepts']} have one latent with precision and recall of 0.5 "
        f"or more, {s['detected_0.8']} with 0.8; mean F1 {_said(s, 'f1')}, where always saying yes has "
        f"{_said(s, 'chance_f1')}.",
        f"Probes: mean AUROC {_said(s, 'sparse_1_auroc')} of one latent, {_said(s, 'sparse_16_auroc')} of "
        f"16, {_said(s, 'dense_auroc')} of the whole activation.",
    ]
    if s.get("absorption") is not None:
        lines.append(
            f"Absorption: {_share(s, 'absorption')} of the tokens a probe tells rightly (mean of concepts)."
        )
    return lines


def _figures(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value, and how to read it."""
    lines = [
        ("FVU", _said(s, "fvu", 4), "share of variance unexplained; 0 is perfect"),
        ("L0", _said(s, "l0", 1), "active latents per token"),
        ("Cosine", _said(s, "cosine", 4), "between activation and reconstruction, mean"),
        ("Dead", _share(s, "dead"), f"silent on these {s['tokens']:,} tokens"),
        ("Dense", _share(s, "dense"), "fire at more than a tenth of the tokens"),
        ("Loss recovered", _share(s, "recovered_over_zero"), "from zeros in the activation's place"),
        ("Loss recovered, mean", _share(s, "recovered_over_mean"), "from the mean in its place"),
    ]
    if s.get("concepts"):
        lines += [
            (
                "Precision, recall",
                f"{_said(s, 'precision')}, {_said(s, 'recall')}",
                "best latent of a concept",
            ),
            ("F1", _said(s, "f1"), f"the same; always yes: {_said(s, 'chance_f1')}"),
            ("F1, one to one", _said(s, "assigned_f1"), "no latent stands for two concepts"),
            ("Probe AUROC, 1", _said(s, "sparse_1_auroc"), "of 1 latent; means over concepts"),
            ("Probe AUROC, 16", _said(s, "sparse_16_auroc"), "of 16 latents"),
            ("Probe AUROC, whole", _said(s, "dense_auroc"), "of the whole activation"),
            ("Absorption", _share(s, "absorption"), "mean over concepts"),
        ]
    return lines


def _plots(report: SAEReport) -> list[tuple[str, Markup]]:
    """Caption and figure."""
    s, spreads = report.summary, report.spreads
    found = [
        (
            "What the language model loses, with different things in the activation's place.",
            loss_plot(report, "loss"),
        )
    ]
    dead = s["dead"] or 0.0
    if (rates := spreads.get("rates")) and rates.counts:
        caption = f"How often latents fire; {_share(s, 'dead')} never do. Dense: right of the dotted line."
        found.append((caption, density_plot(rates, dead, "rates")))
    labels = {
        "cosines": (
            "largest cosine with another decoder row",
            "Decoder rows that say nearly the same lie near 1.",
        ),
        "norms": ("length of the decoder row", "How much one unit of a latent writes."),
    }
    for name, (label, caption) in labels.items():
        if (spread := spreads.get(name)) and len(spread.counts) > 1:  # else all alike
            found.append((caption, spread_plot(spread, label, name)))
    return found


def _kind(about: Mapping[str, Any]) -> str:
    """What the SAE is, in a line."""
    k = f", {about['k']} at a time" if about.get("k") else ""
    home = f"{about.get('hook_name') or 'an unknown hookpoint'}"
    if about.get("d_out"):
        home += f", writing {about.get('hook_name_out')}"
    return (
        f"{about.get('architecture', 'An SAE')}, {about.get('d_sae', 0):,} latents of width "
        f"{about.get('d_in', 0):,}{k}; trained at {home} of {about.get('model_name') or 'an unknown model'}"
    )


def _said(summary: Mapping[str, Any], name: str, digits: int = 2) -> str:
    return number(summary.get(name), digits)


def _share(summary: Mapping[str, Any], name: str) -> str:
    value = summary.get(name)
    return number(None) if value is None else f"{number(100 * value, 1)}\N{NO-BREAK SPACE}%"
