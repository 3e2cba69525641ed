"""Reports: what was found, as one HTML file that opens by itself, as Markdown, pictures and a
table for the terminal.

Knows the records of a report and how to draw them; not how the figures were made.
"""

from saesteer.report.build import curve_of, method_result, pairs_of
from saesteer.report.comparison import render_comparison, write_comparison
from saesteer.report.findings import MethodFinding, caution, method_findings, sentences
from saesteer.report.interpretation_findings import findings
from saesteer.report.interpretation_page import PageNotes, render_interpretation
from saesteer.report.latent_page import LatentNotes, LatentPages, Neighbour, latent_page
from saesteer.report.markdown import markdown
from saesteer.report.page import render, write_report
from saesteer.report.records import (
    BesideAim,
    ConceptResult,
    Context,
    Cost,
    Failure,
    JudgedBy,
    LatentEvidence,
    MethodResult,
    Pair,
    Point,
    Report,
    SeedFigures,
    Versus,
)
from saesteer.report.sae_page import render_sae, write_sae_page
from saesteer.report.score_summary import ScorerSummary, score_summary
from saesteer.report.terminal import print_summary, summary, summary_table
from saesteer.report.write_files import write_files
from saesteer.report.write_interpretation import write_interpretation_page

__all__ = [
    "BesideAim",
    "ConceptResult",
    "Context",
    "Cost",
    "Failure",
    "JudgedBy",
    "LatentEvidence",
    "LatentNotes",
    "LatentPages",
    "MethodFinding",
    "MethodResult",
    "Neighbour",
    "PageNotes",
    "Pair",
    "Point",
    "Report",
    "ScorerSummary",
    "SeedFigures",
    "Versus",
    "caution",
    "curve_of",
    "findings",
    "latent_page",
    "markdown",
    "method_findings",
    "method_result",
    "pairs_of",
    "print_summary",
    "render",
    "render_comparison",
    "render_interpretation",
    "render_sae",
    "score_summary",
    "sentences",
    "summary",
    "summary_table",
    "write_comparison",
    "write_files",
    "write_interpretation_page",
    "write_report",
    "write_sae_page",
]
