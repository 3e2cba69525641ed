"""The pages in a real browser, where one is installed: sorting, searching, links, narrow screens, print."""

import re
from pathlib import Path

import pytest

from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.report import write_interpretation_page
from tests.report.browser import Browser, program
from tests.report.interpretations import made_interpretation
from tests.report.test_latent_page import EFFECT, STRINGS, answer, made_cache
from tests.report.test_page import HOSTILE

pytestmark = pytest.mark.skipif(program() is None, reason="there is no Chromium here")
EVIL = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
PHONE = 390


def shown() -> Interpretation:
    """Three latents of a cache with hostile tokens, and others that it says nothing of."""
    texts = ("b " + EVIL, "c the sea", "a " + HOSTILE)
    failed = Explanation(LatentId("layers.9", 1), "default", None, Failure("timed_out", "no answer"))
    latents = [LatentId("layers.3", number) for number in range(3)]
    explanations = [Explanation(*each) for each in zip(latents, ["default"] * 3, texts, strict=True)]
    rows = tuple(answer(1 + 24 * n, said=n % 2 == 0) for n in range(8))
    scores = [
        Score(latent, "detection", text, value, {"f1": 0.5, "balanced_accuracy": value or 0.0}, rows)
        for latent, text, value in zip(latents, texts, (0.5, None, 0.75), strict=True)
    ]
    more = made_interpretation(12, saes=("layers.9",))
    known = {each: LatentFigures(0.1 * (each.latent + 1), 4.9, 60) for each in latents}
    return Interpretation(
        (*explanations, failed, *more.explanations),
        (*scores, *more.scores),
        {**known, **more.latents},
        more.about,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    strings = (*STRINGS[:1], f" {EVIL}", *STRINGS[2:-1], "w" * 300)
    path = tmp_path_factory.mktemp("pages") / "report.html"
    return write_interpretation_page(shown(), path, made_cache(strings=strings), effect=lambda _: EFFECT)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def overview(page, report):
    page.size(1280, 900)
    page.open(report)
    return page


def column(page, place):
    cells = f"[...document.querySelectorAll('#sorted tbody tr')].map(row => row.cells[{place}].innerText)"
    return page.value(cells)


def said(page, place):
    return page.value(
        f"document.querySelector('#sorted').tHead.rows[0].cells[{place}].getAttribute('aria-sort')"
    )


def test_numbers_are_sorted_from_the_highest_and_then_from_the_lowest(overview):
    found = sorted((float(each) for each in column(overview, 3) if each != "–"), reverse=True)  # noqa: RUF001
    missing = column(overview, 3).count("–")  # noqa: RUF001
    assert len(found) > 5 and missing
    for expected, word in ((found, "descending"), (found[::-1], "ascending")):
        overview.click("#sorted thead button", 3)
        assert [float(each) for each in column(overview, 3)[:-missing]] == expected
        assert column(overview, 3)[-missing:] == ["–"] * missing and said(overview, 3) == word  # noqa: RUF001


def test_names_and_texts_are_sorted_from_a_to_z(overview):
    overview.click("#sorted thead button", 0)
    numbers = [tuple(map(int, re.findall(r"\d+", each))) for each in column(overview, 0)]
    assert numbers == sorted(numbers) and said(overview, 0) == "ascending"
    overview.click("#sorted thead button", 1)
    texts = column(overview, 1)
    assert [each[:2] for each in texts[:3]] == ["a ", "b ", "c "]
    numbers = [int(each[1]) for text in texts if (each := re.search(r"dogs, .*\((\d+)\)", text))]
    assert texts[-1] == "timed out" and len(numbers) > 1 and numbers == sorted(numbers)
    assert (said(overview, 0), said(overview, 1)) == (None, "ascending")


def test_a_search_leaves_the_rows_that_hold_the_words(overview):
    overview.click("#wanted")
    overview.type("The SEA")
    rows = "[...document.querySelectorAll('#sorted tbody tr')].filter(row => row.offsetHeight)"
    found = overview.value(f"{rows}.map(row => row.innerText)")
    assert found and all("the sea" in each.lower() for each in found)
    assert overview.value("document.getElementById('left').value") == f"{len(found)} of 16"


def test_a_latent_is_opened_and_left_again(overview):
    place = column(overview, 0).index("layers.3/0")
    overview.follow("#sorted tbody tr th a", place)
    assert overview.value("document.querySelector('h1').innerText") == "layers.3/0"
    overview.follow(".eyebrow a")
    assert overview.value("document.querySelector('h1').innerText") == "Latents and their explanations"
    overview.follow("#sorted tbody tr th a", place)
    overview.back()
    assert len(column(overview, 0)) == 16


def latent_page(report):
    return report.parent / "report_latents/layers.3/0.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", [lambda report: report, latent_page], ids=["overview", "latent"])
def test_nothing_is_wider_than_a_telephone(page, report, which, scheme):
    page.size(PHONE, 844, mobile=True)
    page.scheme(scheme)
    page.open(which(report))
    assert page.value("document.documentElement.scrollWidth") <= PHONE
    page.scheme("")


def test_markup_in_texts_is_text(page, report):
    page.size(1280, 900)
    page.open(latent_page(report))
    assert page.value("document.title") == "layers.3/0"
    assert page.value("document.querySelectorAll('script, img').length") == 0
    assert page.value("document.body.innerText").count("<script>document.title = 'run'</script>") > 2
    page.open(report)
    assert page.value("document.querySelectorAll('script').length") == 1
    assert page.value("document.title") == "Latents and their explanations"


def test_pages_print(page, report):
    for each in (report, latent_page(report)):
        page.open(each)
        printed = page.print()
        assert printed.startswith(b"%PDF-") and printed.count(b"/Type /Page\n") >= 1


def test_no_page_complains_or_asks_for_anything(page, report):
    for each in (report, *sorted(report.parent.glob("*/*/*.html"))):
        page.open(each)
    assert page.complaints() == []
    assert all(each.startswith("file:///") and each.endswith(".html") for each in page.requests())
