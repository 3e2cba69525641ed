"""The page of a run: each section where its records are there and only there, and all that it links to."""

import re
from dataclasses import replace
from posixpath import normpath
from urllib.parse import unquote

import pytest

from saesteer.report import Failure, render, write_report
from saesteer.report.markdown import markdown
from saesteer.report.palette import LIGHT, look
from tests.report.runs import METHODS, made_run
from tests.report.test_page import HOSTILE, Page

HEADINGS = {
    "asked": ("What was asked", {"asked": ()}),
    "sides": ("Side by side", {"versus": ()}),
    "failures": ("What failed", {"failures": ()}),
    "cost": ("What it took", {"cost": None}),
}
MORE = {
    "seeds": ("Each seed by itself", ()),
    "judges": ("What further judges say", ()),
    "beside": ("Beside the aim", None),
}


@pytest.fixture(scope="module")
def run():
    return made_run()


@pytest.fixture(scope="module")
def html(run):
    return render(run)


def of_each_method(report, **changes):
    concepts = tuple(
        replace(each, methods=tuple(replace(method, **changes) for method in each.methods))
        for each in report.concepts
    )
    return replace(report, concepts=concepts)


@pytest.mark.parametrize("name", HEADINGS)
def test_a_section_is_there_where_its_records_are(run, html, name):
    heading, without = HEADINGS[name]
    section = f'<h2 id="{name}">{heading}</h2>'
    assert html.count(section) == 1
    assert section not in render(replace(run, **without))


@pytest.mark.parametrize("name", MORE)
def test_a_part_of_a_concept_is_there_where_its_records_are(run, html, name):
    heading, nothing = MORE[name]
    assert html.count(heading) == len(run.concepts)
    assert heading not in render(of_each_method(run, **{name: nothing}))


def test_the_page_of_the_demo_has_none_of_them(report):
    found = render(report)
    for heading in [heading for heading, _ in (*HEADINGS.values(), *MORE.values())]:
        assert heading not in found
    assert 'class="w"' not in found and 'id="m-1"' not in found


def test_it_is_well_formed_and_its_inner_links_have_an_end(html):
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {(each.get("href") or "")[1:] for _, each in page.elements if (each.get("href") or "")[:1] == "#"}
    assert inner <= set(ids) and {"m-1", "overview"} <= inner


def links(html):
    return {unquote(each) for each in re.findall(r'href="([^"#]+)"', html)}


def test_every_link_is_relative_and_leads_down(html, run):
    found = links(html)
    assert {"results.csv", "report.md", "samples/wedding/failed.parquet"} <= found
    assert {m.beside.rows for c in run.concepts for m in c.methods if m.beside} <= found
    assert {j.rows for c in run.concepts for m in c.methods for j in m.judges} <= found
    for each in found:
        assert not each.startswith(("/", "..")) and ":" not in each and normpath(each) == each


def test_every_number_in_a_table_leads_to_rows(html):
    """But for strengths, seeds and costs, which are no results; small print belongs to what it follows."""
    body = re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)
    tables = re.findall(r'<table(?! class="(?:prov|asked|figures))[^>]*>(.*?)</table>', body, re.DOTALL)
    assert len(tables) > 8
    seen = 0
    for table in tables:
        names = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table, re.DOTALL)
        for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]:
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
            spread = "colspan" in row
            for name, cell in zip(names[1:], cells, strict=not spread):
                bare = re.sub(r"<small.*?</small>|<a .*?</a>| of \d+", "", cell, flags=re.DOTALL)
                seen += "<a " in cell
                if name not in ("Strength", "Seed"):
                    assert not re.search(r"\d", re.sub(r"<[^>]*>", "", bare)), (name, cell)
    assert seen > 200


def test_a_cell_of_the_map_is_as_dark_as_its_behaviour(html, run):
    values = {c.name: c.method("diffmean").outcome.figures.behaviour.estimate for c in run.concepts}
    every = [m.outcome.figures.behaviour.estimate for c in run.concepts for m in c.methods if m.outcome]
    table = html.partition('<table class="map">')[2].partition("</table>")[0]
    for name, value in values.items():
        row = re.search(rf"<tr><th scope=\"row\"><a [^>]*>{name}</a>.*?</tr>", table, re.DOTALL)[0]
        share, told = re.search(r'class="heat" style="--a:(\d+)%"><strong><a[^>]*>([\d.]+)<', row).groups()
        assert int(share) == round(100 * value / max(every)) and told == f"{value:.2f}"
    assert table.count('class="unset"') == 1 and table.count("no coherent setting") == 1


def test_words_are_marked_in_what_was_written(html, run):
    texts = sum(2 * len(method.pairs) for concept in run.concepts for method in concept.methods)
    for word in ("bride", "church", "wedding", "dress"):
        assert html.count(f'<mark class="w">{word}</mark>') == texts == 28
    assert '<mark class="w">Anna' not in html


def test_a_description_ends_before_the_base_rate(run, html):
    assert re.search(r"Texts about wedding\.\s+Base rate", html)
    changed = replace(run.concepts[0], description="the text is about a wedding")
    html = render(replace(run, concepts=(changed,)))
    assert re.search(r"the text is about a wedding\.\s+Base rate", html)


def test_twelve_methods_differ_without_their_colours():
    found = [look(LIGHT, place) for place in range(12)]
    assert len({(each["marker"], each["markerfacecolor"] == LIGHT.paper) for each in found}) == 12
    assert len({(each["marker"], str(each["linestyle"])) for each in found}) == 12
    html = render(made_run(1, 12))
    legend = re.search(r'<ul class="legend">(.*?)</ul>', html, re.DOTALL)[1]
    marks = [each for each in re.findall(r'class="mark (m\d(?: hollow)?)"', legend)]
    assert len(set(marks)) == len(marks) == len(METHODS) == 12


def test_a_judge_without_coherence_leaves_one_plot():
    html = render(made_run(1, judged=False, coherence=0.0))
    assert html.count("<svg") == 3 and "The figures of the plot<" in html
    assert "Behaviour against strength for wedding." in html


def test_units_that_differ_share_no_axis(run):
    concept = run.concepts[0]
    first = replace(concept.methods[0], unit="raw")
    mixed = replace(concept, methods=(first, *concept.methods[1:]))
    assert "over the strongest of each method" in render(replace(run, concepts=(mixed,)))
    assert "over the strongest of each method" not in render(run)


@pytest.fixture(scope="module")
def hostile(run):
    evil, path = f"{HOSTILE} | [x](javascript:alert(1))", "a b/<1>&\"'.parquet"
    concept = run.concepts[0]
    methods = tuple(
        replace(
            each, label=evil, setting=evil, reason=evil, rows=path,
            judges=tuple(replace(j, judge=evil, figures={evil: j.figures["behaviour"]}) for j in each.judges),
            beside=replace(each.beside, figures={**each.beside.figures, evil: each.beside.figures["kl"]}),
        )
        for each in concept.methods
    )  # fmt: skip
    changed = replace(concept, name=evil, description=evil, methods=methods, words=("<script>", "alert", "b"))
    return replace(
        run, title=evil, concepts=(changed,), asked=((evil, evil),), files=((evil, path),),
        versus=(replace(run.versus[0], concept=evil, figure=evil), replace(run.versus[0], one=evil)),
        failures=tuple(replace(each, where=evil, what=evil) for each in run.failures),
        provenance={evil: evil},
    )  # fmt: skip


def test_hostile_texts_are_shown_and_do_nothing(hostile):
    html = render(hostile)
    page = Page(html)
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "".join(page.text).count("<script>alert(1)</script>") > 20
    assert not set("\x00\x1b\u202e\ud800") & set(html)
    assert not re.search(r"https?:|@import|url\((?!#)|\ssrc=", html)
    assert all(not each.startswith("javascript") for each in links(html))


def test_the_same_elements_whatever_the_texts(run, hostile):
    plain = [tag for tag, _ in Page(render(replace(run, concepts=run.concepts[:1]))).elements]
    ours = [tag for tag, _ in Page(render(hostile)).elements]
    for tag in ("table", "details", "section", "svg", "figure"):
        assert ours.count(tag) == plain.count(tag), tag


def test_a_hebrew_name_stays_and_a_text_keeps_its_own_direction(run):
    name = "\u05d7\u05ea\u05d5\u05e0\u05d4"
    html = render(replace(run, concepts=(replace(run.concepts[0], name=name),)))
    assert name in html and "unicode-bidi: plaintext" in html


def test_equal_reports_are_equal_bytes(html):
    assert render(made_run()) == html


def test_twelve_concepts_by_eight_methods_are_a_page_that_opens(tmp_path):
    """Measured: 2.1 MB."""
    path = write_report(made_run(12, 8), tmp_path / "report.html")
    assert 0.5e6 < path.stat().st_size < 3e6


def test_the_map_tells_what_failed_from_what_was_not_tried(run):
    first, *others = run.concepts
    gone = replace(first, methods=first.methods[2:])
    failure = Failure("wedding", "no memory", 1, 1, pair=(gone.name, first.methods[0].method))
    broken = replace(run, concepts=(gone, *others), failures=(failure,))
    for text in (render(broken), markdown(broken)):
        table = text.partition("Every concept")[2].partition("Side by side")[0]
        assert table.count("failed") == 1 and table.count("not tried") == 1


def test_samples_and_failures_stand_beside_comparisons_and_seeds(html, run):
    first = run.concepts[0]
    seeds = sum(len(each.seeds) for each in first.methods)
    text = markdown(run)
    for html_name, name, count in (
        ('id="sides">Side by side', "## Side by side", len(run.versus)),
        ("Each seed by itself", "Each seed by itself", seeds),
    ):
        part = html.partition(html_name)[2].partition("</table>")[0]
        assert "Samples" in part and part.count(" failed</small>") == count
        assert "| samples | failed |" in text.partition(name)[2].partition("|---")[0]


def test_what_a_further_judge_says_of_the_unsteered_model_has_its_own_rows(html, run):
    judged = sum(len(each.base) for c in run.concepts for m in c.methods for each in m.judges)
    assert html.count('href="base/llm.parquet"') == markdown(run).count("(base/llm.parquet)") == judged
