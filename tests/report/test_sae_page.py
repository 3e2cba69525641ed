"""The page of an SAE: escaped, whole, from nowhere else."""

import re
from html.parser import HTMLParser

import pytest

from saesteer.errors import InputError
from saesteer.evaluation.saes import (
    Absorption,
    ConceptMatch,
    ConceptRow,
    LeftOut,
    Match,
    ProbeScore,
    SAEReport,
    Spread,
)
from saesteer.report import render_sae, write_sae_page
from saesteer.training.metrics import TrainMetrics

EVIL = "<script>alert(1)</script>\u202e"
BEST = Match(7, 0.5, 0.9, 0.8, 0.85, 0.95)


def row(concept: str, told: int = 10) -> ConceptRow:
    probes = tuple(ProbeScore(k, 0.8, 0.7, 0.91) for k in (1, 2, 5, 16, None))
    return ConceptRow(
        concept, 200, 20, ConceptMatch(BEST, BEST, None), probes, Absorption((7,), told, 3, 2, (9,))
    )


def report(**fields) -> SAEReport:
    summary = {
        "fvu": 0.02, "l0": 31.5, "cosine": 0.99, "dead": 0.1, "dense": 0.05, "tokens": 12_345,
        "explained": 0.98, "loss_plain": 1.0, "loss_spliced": 1.1, "loss_zero": 4.0, "loss_mean": 3.0,
        "recovered_over_zero": 0.97, "recovered_over_mean": 0.95, "concepts": 2, "detected_0.5": 2,
        "detected_0.8": 1, "f1": 0.6, "chance_f1": 0.1,
        "precision": 0.7, "recall": 0.6, "assigned_f1": 0.55, "sparse_1_auroc": 0.8, "sparse_16_auroc": 0.9,
        "dense_auroc": None, "absorption": 0.2,
    }  # fmt: skip
    spreads = {
        "rates": Spread((3, 5), (-2.0, -1.0, 0.0)),
        "cosines": Spread((4, 4), (0.1, 0.2, 0.3)),
        "norms": Spread((8,), (0.9, 1.1)),
    }
    given = {
        "rows": (row(EVIL), row("sea", 0)),
        "summary": summary,
        "provenance": {"read": EVIL},
        "about": {"architecture": EVIL, "d_sae": 8, "d_in": 4, "hook_name": EVIL},
        "spreads": spreads,
        "left_out": (LeftOut(EVIL, EVIL),),
    }
    return SAEReport(**given | fields)


def test_everything_from_outside_is_escaped():
    page = render_sae(report(), EVIL, command=EVIL)
    assert "<script" not in page and "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 8


def test_nothing_comes_from_elsewhere_and_every_tag_is_closed():
    page = render_sae(report(), "an SAE")
    assert not re.findall(r"(?:https?:)?//\w|@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    open_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "br"}:
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Reader().feed(page)
    assert open_tags == []


def test_the_figures_are_on_the_page():
    page = render_sae(report(), "an SAE")
    for text in (
        "12,345 tokens",
        "97.0\N{NO-BREAK SPACE}%",
        "2 of 10",
        "width:85%",
        ">0.0200<",
        "silent on these",
    ):
        assert text in page, text
    assert (
        page.count('role="img"') == 5
    )  # loss, rates, cosines, and concepts wide and narrow; norms are all alike
    assert page.count("16 latents") >= 2


def test_with_and_without_training_and_concepts():
    records = [TrainMetrics(n, 1000 * n, 0.5 / n, 0.0, 30.0, 0.1, 1e-3, 1.0, 1.0 * n) for n in range(1, 4)]
    page = render_sae(report(), "an SAE", records)
    assert ">Training</h2>" in page
    assert page.count('role="img"') == 8  # fvu, l0 and dead; their loss was not kept
    bare = render_sae(report(rows=(), left_out=()), "an SAE", records[:1])
    assert ">Training</h2>" not in bare and ">Every concept</h2>" not in bare and ">Left out</h2>" not in bare


def test_a_page_is_html(tmp_path):
    with pytest.raises(InputError, match=r"name it page\.html"):
        write_sae_page(report(), tmp_path / "page.pdf", "an SAE")
    path = write_sae_page(report(), tmp_path / "new/page.html", "an SAE")
    assert path.read_text(encoding="utf-8") == render_sae(report(), "an SAE")
