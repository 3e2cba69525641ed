"""Reports: what was found, as one HTML file that opens by itself and as a table for the terminal.

Knows the records of a report and how to draw them; not how the figures were made.
"""

from saesteer.report.build import curve_of, method_result, pairs_of
from saesteer.report.findings import MethodFinding, caution, method_findings, sentences
from saesteer.report.page import render, write_report
from saesteer.report.records import (
    ConceptResult,
    Context,
    LatentEvidence,
    MethodResult,
    Pair,
    Point,
    Report,
)
from saesteer.report.sae_page import render_sae, write_sae_page
from saesteer.report.terminal import print_summary, summary, summary_table

__all__ = [
    "ConceptResult",
    "Context",
    "LatentEvidence",
    "MethodFinding",
    "MethodResult",
    "Pair",
    "Point",
    "Report",
    "caution",
    "curve_of",
    "method_findings",
    "method_result",
    "pairs_of",
    "print_summary",
    "render",
    "render_sae",
    "sentences",
    "summary",
    "summary_table",
    "write_report",
    "write_sae_page",
]
