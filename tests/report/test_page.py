"""The page: one file, nothing from elsewhere, no text that escapes, every figure linked to its rows."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from saesteer.errors import InputError
from saesteer.report import Context, Report, render, write_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; refuses elements that are closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.text.append(data)


HOSTILE = (
    ' </script><script>alert(1)</script><b onclick="x">&amp;{{ 7*7 }} \x1b[31m\x00 \u202e\ud800 </style>'
)


@pytest.fixture(scope="session")
def html(report) -> str:
    return render(report)


@pytest.fixture(scope="session")
def hostile(make_report) -> Report:
    report = make_report(1, HOSTILE, title=HOSTILE, subtitle=HOSTILE, notes=(HOSTILE,), command=HOSTILE)
    concept = report.concepts[0]
    context = Context((HOSTILE, " x"), (1.0, 0.0), True)
    [latent] = concept.latents
    latent = replace(latent, sae=HOSTILE, contexts=(context,), promoted=((HOSTILE, 1.0),), by=(HOSTILE,))
    methods = tuple(
        replace(
            method, label=f"{HOSTILE}$\\frac{{{number}$", setting=HOSTILE, rows=f"a b/<{number}>&\"'.parquet"
        )
        for number, method in enumerate(concept.methods)
    )
    changed = replace(
        concept, name=HOSTILE + "$\\frac{$", description=HOSTILE, methods=methods, latents=(latent,)
    )
    return replace(report, concepts=(changed,), provenance={HOSTILE: HOSTILE})


def test_the_page_is_well_formed_and_names_are_unique(html):
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_comes_from_elsewhere(html, hostile):
    for text in (html, render(hostile)):
        assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)|\ssrc=", text)
        assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in Page(text).elements}


def test_links_inside_the_page_have_an_end(html):
    page = Page(html)
    ids = {attributes.get("id") for _, attributes in page.elements}
    inner = {
        attributes["href"][1:]
        for _, attributes in page.elements
        if (attributes.get("href") or "").startswith("#")
    }
    assert inner and inner <= ids
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= ids


def test_hostile_texts_are_shown_and_do_nothing(hostile):
    html = render(hostile)
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.elements} and len(
        re.findall("<style", html)
    ) == 1 + html.count("<svg")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    shown = "".join(page.text)
    assert shown.count("<script>alert(1)</script>") > 10 and "{{ 7*7 }}" in shown
    assert not set("\x00\x1b\u202e\ud800") & set(html)
    html.encode("utf-8")


def test_the_same_elements_whatever_the_texts(hostile, make_report):
    plain = [tag for tag, _ in Page(render(make_report(1))).elements]
    ours = [tag for tag, _ in Page(render(hostile)).elements]
    for tag in ("td", "tr", "table", "details", "section", "li", "svg"):
        expected = plain.count(tag)
        assert ours.count(tag) == pytest.approx(expected, abs=3), tag  # one context less, one note more


def test_every_figure_in_a_table_links_to_its_rows(html, report):
    links = set(re.findall(r'<a class="n" href="([^"#]+)"', html))
    expected = {method.rows for concept in report.concepts for method in concept.methods}
    expected |= {concept.base_rows for concept in report.concepts} | {"latents/rows.parquet"}
    expected |= {method.tried for concept in report.concepts for method in concept.methods if method.points}
    assert links == expected
    for table in html.split("The figures of both plots")[1:]:
        inside = re.findall(r'<a class="n" href="([^"]+)"', table.split("</table>")[0])
        assert inside and all(link.endswith("/tried.parquet") for link in inside)


def test_figures_are_those_of_the_record(html, report):
    outcome = report.concepts[0].method("diffmean").outcome
    shown = f">{outcome.figures.behaviour.estimate:.2f}</a> <small>{outcome.figures.behaviour.low:.2f} to "
    assert shown in html
    assert f">{outcome.ratio.estimate:.1f}×</a>" in html  # noqa: RUF001


def test_counts_stand_beside_the_figures(report):
    def change(method):
        figures = replace(method.outcome.figures, samples=731, prompts=13, seeds=3, failed=7)
        return replace(method, outcome=replace(method.outcome, figures=figures))

    first = report.concepts[0]
    methods = tuple(change(each) if each.outcome else each for each in first.methods)
    one = replace(report, concepts=(replace(first, methods=methods),))
    text = " ".join("".join(Page(render(one)).text).split())
    counted = sum(each.outcome is not None for each in first.methods)
    assert text.count("731 samples, 13 prompts, 3 seeds, 7 failed") == counted > 0
    swept = next(each for each in first.methods if each.points)
    points = [replace(each, seeds=3, failed=11) for each in swept.points]
    dosed = replace(first, methods=(replace(swept, points=tuple(points)),))
    shown = " ".join("".join(Page(render(replace(report, concepts=(dosed,)))).text).split())
    assert points and shown.count("3 seeds, 11 failed") == len(points)
    base = first.base
    assert f"Unsteered {base.samples} samples, {base.prompts} prompts, 1 seed, {base.failed} failed" in text


def test_every_plot_has_words_and_a_table(html):
    svgs = re.findall(r"<svg[^>]*>", html)
    assert len(svgs) == 2 + 2 * 2
    assert all('role="img"' in svg and 'aria-label="' in svg for svg in svgs)
    assert html.count("The figures of both plots") == 2


def test_plots_take_their_colours_from_the_page(html):
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert not re.search(r"#0a0[ab]0", drawn)
    assert {"var(--ink)", "var(--grid)", "var(--series-0)", "var(--series-1)"} <= set(
        re.findall(r"var\([^)]*\)", drawn)
    )
    named = set(re.findall(r"var\((--[a-z0-9-]+)\)", html)) - {"--a"}
    assert named <= set(re.findall(r"(--[a-z0-9-]+):", html))


def test_dark_print_and_narrow_are_thought_of(html):
    for query in ("prefers-color-scheme: dark", "@media print", "max-width: 44rem", 'name="viewport"'):
        assert query in html


def test_a_method_without_a_coherent_setting_is_said(report):
    concept = report.concepts[0]
    without = tuple(
        replace(method, outcome=None, setting="", reason="no setting keeps it", pairs=())
        for method in concept.methods
    )
    html = render(replace(report, concepts=(replace(concept, methods=without, latents=()),)))
    assert "no setting keeps it" in html and "no steering kept the text coherent" in html


def test_every_latent_names_the_methods_that_steer_with_it(report):
    [one] = report.concepts[0].latents
    two = replace(one, latent=77, by=("SAE latent", "Clamped"), rows="latents/77.parquet")
    concept = replace(report.concepts[0], latents=(replace(one, by=("Lifted",)), two))
    html = render(replace(report, concepts=(concept,)))
    heads = re.findall(r"The latent behind ([^:<]*): (\d+)", html)
    assert heads == [("Lifted", "1234"), ("SAE latent, Clamped", "77")]
    assert 'href="latents/77.parquet"' in html


def test_a_report_without_curves_or_latent_is_a_page(report):
    concept = replace(report.concepts[0], latents=())
    bare = tuple(replace(method, points=(), pairs=()) for method in concept.methods)
    html = render(replace(report, concepts=(replace(concept, methods=bare),)))
    assert html.count("<svg") == 2


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "javascript:alert(1)",
        "https://x.org/a",
        "\\\\host\\x",
        "",
        "C:\\x",
        "../x",
        "a/../../x",
    ],
)
def test_links_stay_beside_the_report(report, path):
    with pytest.raises(InputError, match="relative path"):
        replace(report.concepts[0], base_rows=path)


def test_a_report_is_written_whole(report, tmp_path):
    path = write_report(report, tmp_path / "a b" / "report.html")
    assert path.read_text(encoding="utf-8") == render(report)
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(InputError, match=r"one \.html file"):
        write_report(report, tmp_path)


def test_the_same_record_gives_the_same_page(report):
    assert render(report) == render(report)
