"""A run's page and a comparison in a real browser, where one is installed: a telephone, the dark, paper."""

from dataclasses import replace

import pytest

from saesteer.report import write_comparison, write_report
from tests.report.browser import Browser, program
from tests.report.runs import made_run
from tests.report.test_page import HOSTILE

pytestmark = pytest.mark.skipif(program() is None, reason="there is no Chromium here")
PHONE = 390
LONG = "a-name-without-a-space-" * 6


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    asked = (("Strengths", LONG), ("Judge", HOSTILE))
    runs = {"one": made_run(3, 12, text=f" {HOSTILE} bride {LONG}", asked=asked), "two": made_run(2, 4)}
    write_report(runs["one"], folder / "one" / "report.html")
    write_report(runs["two"], folder / "two" / "report.html")
    write_comparison(runs | {LONG: runs["two"]}, folder / "comparison.html", {LONG: "two"})
    return {
        "run": folder / "one" / "report.html",
        "small": folder / "two" / "report.html",
        "comparison": folder / "comparison.html",
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def opened(page, path):
    """With every fold unfolded."""
    page.open(path)
    page.value("document.querySelectorAll('details').forEach(each => each.open = true)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["run", "small", "comparison"])
def test_nothing_is_wider_than_a_telephone(page, pages, which, scheme):
    page.size(PHONE, 844, mobile=True)
    page.scheme(scheme)
    opened(page, pages[which])
    assert page.value("document.documentElement.scrollWidth") <= PHONE
    page.scheme("")


def test_wide_tables_scroll_in_their_own_box(page, pages):
    page.size(PHONE, 844, mobile=True)
    opened(page, pages["run"])
    found = page.value(
        "[...document.querySelectorAll('table')].map(table => [table.scrollWidth, "
        "table.closest('.scroll') ? table.closest('.scroll').clientWidth : -1])"
    )
    assert all(box > 0 for _, box in found)
    assert sum(width > box for width, box in found) >= 4  # there was something to scroll
    asked = page.value("document.querySelector('.asked').scrollWidth")
    assert asked <= page.value("document.querySelector('.scroll').clientWidth")  # its long texts break


def test_a_long_name_of_a_concept_leaves_room_for_its_figures(page, tmp_path):
    """On a desk and on paper, where nothing can be scrolled."""
    run = made_run(2, 4)
    name = LONG.replace("-", "")
    first = replace(run.concepts[0], name=name)
    versus = tuple(replace(each, concept=name) for each in run.versus)
    report = replace(run, concepts=(first, *run.concepts[1:]), versus=versus)
    page.size(1280, 844)
    opened(page, write_report(report, tmp_path / "report.html"))
    for table in ("document.querySelector('.map')", "document.querySelector('#sides ~ details table')"):
        assert page.value(f"{table}.scrollWidth <= {table}.closest('.scroll').clientWidth")


def test_a_cell_of_the_map_has_the_shade_that_it_names(page, pages):
    """The browser's own arithmetic: the highest is the cell's colour, and print keeps it."""
    page.size(1280, 900)
    opened(page, pages["small"])
    colour = "getComputedStyle([...document.querySelectorAll('.heat')].sort((a, b) => "
    colour += "parseInt(b.style.getPropertyValue('--a')) - parseInt(a.style.getPropertyValue('--a')))[0])"
    found = page.value(f"{colour}.backgroundColor")
    parts = [float(each) for each in found[found.index("srgb") + 4 : -1].split()]
    assert [round(255 * each) for each in parts] == [0x7F, 0xB2, 0xE5]
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.value(f"{colour}.printColorAdjust") == "exact"
    page.ask("Emulation.setEmulatedMedia", media="")


def test_hollow_marks_are_hollow(page, pages):
    page.size(1280, 900)
    opened(page, pages["run"])
    hole = "getComputedStyle(document.querySelector('.hollow'), '::after').backgroundColor"
    assert page.value(hole) == page.value("getComputedStyle(document.body).backgroundColor")
    assert page.value("document.querySelectorAll('.legend .hollow').length") >= 6


def test_a_name_of_a_side_effect_leads_to_its_words(page, pages):
    opened(page, pages["small"])
    page.click('a[href="#m-3"]')
    assert page.value("document.querySelector(':target').innerText") == "KL"


def test_they_print_and_complain_of_nothing(page, pages):
    for path in pages.values():
        opened(page, path)
        assert page.print().startswith(b"%PDF-")
    assert page.complaints() == []
    assert all(each.startswith("file:///") and each.endswith(".html") for each in page.requests())
