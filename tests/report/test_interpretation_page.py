"""The page of an interpretation: whole, from nowhere else, honest about what is missing, links that lead."""

import base64
import hashlib
import re

import numpy as np
import pytest

from saesteer.errors import InputError
from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.report.interpretation_page import PageNotes, render_interpretation, write_overview
from tests.report.interpretations import made_interpretation
from tests.report.test_page import HOSTILE, Page

LATENT = LatentId("layers.3", 7)
FIGURES = LatentFigures(0.1, 2.0, 9)


@pytest.fixture(scope="module")
def made() -> Interpretation:
    return made_interpretation(12)


@pytest.fixture(scope="module")
def html(made) -> str:
    links = {each: f"latents/layers.3/{each.latent}.html" for each in list(made.latents)[:4]}
    return render_interpretation(
        made, links, PageNotes(command="saesteer report results", rows="scores.jsonl")
    )


def test_it_is_one_well_formed_page_from_nowhere_else(html):
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)|\ssrc=", html)
    inner = {
        attributes["href"][1:]
        for _, attributes in page.elements
        if attributes.get("href", "").startswith("#")
    }
    assert inner and inner <= set(ids) | {each for each in inner if re.match(r"[mpc][0-9a-f]{9,}", each)}


def test_the_only_script_is_ours_and_named_by_its_hash(html):
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{named}'" in html and "'unsafe-inline' 'un" not in html
    assert html.count("<script") == 1
    assert not any(name.startswith("on") for _, found in Page(html).elements for name in found)


def test_everything_that_was_asked_for_is_there(html):
    for title in ("What was found", "How scores are spread", "Where they are right", "Do the scorers agree?",
                  "What failed", "What it cost", "All latents"):  # fmt: skip
        assert f">{title}</h2>" in html, title
    assert "median balanced accuracy" in html and "Weighted F1, layers.3" in html
    assert html.count('role="img"') == 3 + 3  # spreads; rates, parts and ROC


def test_a_latent_with_a_page_is_linked_wherever_it_is_named(html):
    assert html.count('href="latents/layers.3/7.html#answers-0"') == 1
    assert 'href="latents/layers.3/7.html"' in html and "latents/layers.3/70.html" not in html
    assert "scores.jsonl" in html


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Interpretation((), (), {}), ("nothing; there is no explanation", "There are no latents")),
        (Interpretation((), (), {LATENT: FIGURES}), ("no explanation", "1 latent of layers.3")),
        (
            Interpretation((Explanation(LATENT, "default", None, Failure("unparsed", "no tag")),), (), {}),
            ("0 of 1 latents", "1 explanations failed", "no score in these results"),
        ),
        (
            Interpretation(
                (Explanation(LATENT, "default", "the sea"),),
                (Score(LATENT, "detection", "the sea", None, failures=(Failure("timed_out", "30 s"),)),),
                {LATENT: FIGURES},
            ),
            ("no latent has a score", "timed out", "(100.0 %)"),
        ),
        (
            Interpretation(
                (Explanation(LATENT, "default", "the sea"),),
                (Score(LATENT, "a_plugin", "the sea", 3.5, {"strange": 3.5}, ({"odd": 1}, {"truth": None})),),
                {},
            ),
            ("a_plugin", "median strange 3.50", "the sea"),
        ),
    ],
)  # fmt: skip
def test_little_is_shown_as_little(given, said):
    page = render_interpretation(given)
    Page(page)
    for text in said:
        assert text in page, text
    assert ">nan<" not in page.lower() and "None" not in page


def test_a_value_that_is_no_number_is_none():
    scores = [Score(LatentId("a", n), "s", None, value) for n, value in enumerate((0.5, float("nan"), None))]
    page = render_interpretation(Interpretation((), tuple(scores), {}))
    assert "over 1 latent; 2 have none" in page


def test_answers_that_failed_are_a_share_of_all():
    rows = ({"truth": True, "said": True},) * 3
    score = Score(LATENT, "s", None, 0.5, {}, rows, (Failure("unparsed", "no list"),))
    page = render_interpretation(Interpretation((), (score,), {}))
    assert "1 answers of scorers (25.0 %)" in page


def test_more_latents_than_fit_are_counted(made):
    page = render_interpretation(made, notes=PageNotes(most=5))
    assert "The first 5 of 12 latents" in page and "7 latents with lower scores" in page
    assert page.count('<tr id="latent-') == 5


def test_latents_with_the_highest_first_score_come_first_and_those_without_last():
    scores = [Score(LatentId("a", n), "s", None, value) for n, value in enumerate((0.2, None, 0.9, 0.5))]
    page = render_interpretation(Interpretation((), tuple(scores), {}))
    assert re.findall(r'<th scope="row">(a/\d)</th>', page) == ["a/2", "a/3", "a/0", "a/1"]


def test_parts_are_counted_from_one_and_correlations_stand_on_their_sides():
    latents = [LatentId("a", n) for n in range(4)]
    right = ({"truth": True, "said": True, "quantile": 0}, {"truth": False, "said": True, "quantile": None})
    values = {"one": (0.0, 0.1, 0.2, 1.0), "two": (0.0, 0.4, 0.8, 0.9)}
    scores = [
        Score(each, name, None, value, rows=right)
        for name, row in values.items()
        for each, value in zip(latents, row, strict=True)
    ]
    page = render_interpretation(Interpretation((), tuple(scores), {}))
    cells = re.findall(r"</span>one</th><td>(\w+)</td><td>([\d.]+) ", page)
    assert cells == [("1", "1.00"), ("silent", "0.00")]
    table = page[page.index('class="agreement"') :]
    above, below = (float(each) for each in re.findall(r"<td[^>]*--a:\d+%\">([\d.]+) ", table)[:2])
    assert above == round(float(np.corrcoef(*values.values())[0, 1]), 2) and below == 1.0


def test_hostile_results_are_shown_and_do_nothing(made):
    latent = LatentId(HOSTILE, 3)
    long = "x" * 5000
    given = Interpretation(
        (
            Explanation(latent, HOSTILE, HOSTILE),
            Explanation(latent, "other", long),
            Explanation(LATENT, HOSTILE, None, Failure(HOSTILE, HOSTILE)),
        ),
        (
            Score(
                latent,
                HOSTILE,
                HOSTILE,
                0.5,
                {HOSTILE: 0.5, "f1": 0.5},
                ({"truth": HOSTILE, "said": HOSTILE},),
            ),
            Score(
                LatentId(HOSTILE, 4), HOSTILE, HOSTILE, 0.7, {HOSTILE: 0.7}, (), (Failure(HOSTILE, HOSTILE),)
            ),
        ),
        {latent: FIGURES},
        {HOSTILE: HOSTILE, "model": HOSTILE},
    )
    page = render_interpretation(given, {}, PageNotes(HOSTILE, HOSTILE, "a b/<x>\"'.jsonl"))
    found = Page(page)
    plain = {tag for tag, _ in Page(render_interpretation(made, notes=PageNotes(command="x"))).elements}
    assert {tag for tag, _ in found.elements} <= plain
    assert page.count("<script") == 1 and page.count("<style") == 1 + page.count("<svg") and long not in page
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert not set("\x00\x1b\u202e\ud800") & set(page)
    assert "".join(found.text).count("<script>alert(1)</script>") > 5


def test_a_page_is_html(made, tmp_path):
    path = write_overview(made, tmp_path / "new/report.html")
    assert path.read_text(encoding="utf-8") == render_interpretation(made)
    with pytest.raises(InputError, match=r"name it report\.html"):
        write_overview(made, tmp_path / "report.pdf")
