"""The report as Markdown, read by a parser of Markdown: the same facts, and no text that breaks out."""

import re
from dataclasses import replace
from posixpath import normpath
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from saesteer.report import markdown
from saesteer.report.escaping import code, one_line, quoted
from tests.report.runs import made_run
from tests.report.test_page import HOSTILE, Page
from tests.report.test_run_page import links, of_each_method

EVIL = f"{HOSTILE} | `a` **b** [x](javascript:alert(1)) ![y](z) # h $1$ ~~c~~ https://a.b www.a.b \u200f"
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def rendered(text):
    return PARSER.render(text)


@pytest.fixture(scope="module")
def run():
    return made_run()


@pytest.fixture(scope="module")
def text(run):
    return markdown(
        run, {"": [("A map", "figures/heat.svg")], "wedding": [("By strength", "figures/a b.svg")]}
    )


def tables(html):
    """Of each table its rows of cells, as text."""
    found = []
    for table in re.findall(r"<table>(.*?)</table>", html, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        cut = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
        found.append([[re.sub("<[^>]*>", "", cell) for cell in row] for row in cut])
    return found


def test_tables_are_tables_and_every_row_is_full(text, run):
    found = tables(rendered(text))
    assert len(found) == 3 + 1 + 5 * len(run.concepts) + 2 + 1
    for table in found:
        assert len(table) > 1 and len({len(row) for row in table}) == 1
    assert "|" not in re.sub(r"<table>.*?</table>", "", rendered(text), flags=re.DOTALL)


def test_sections_are_headings(text):
    heads = re.findall(r"<h2>(.*?)</h2>", rendered(text))
    assert heads == [
        "What was asked", "What was found", "Every concept", "Side by side", "wedding", "sea", "What failed",
        "What it took", "How it was made",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "without"),
    [
        ("What was asked", {"asked": ()}),
        ("Side by side", {"versus": ()}),
        ("What failed", {"failures": ()}),
        ("What it took", {"cost": None}),
    ],
)
def test_a_section_is_absent_where_its_records_are(run, head, without):
    assert f"## {head}" not in markdown(replace(run, **without))


def test_parts_of_a_concept_are_absent_where_their_records_are(run, text):
    for head, without in (
        ("Each seed by itself", {"seeds": ()}),
        ("What further judges say", {"judges": ()}),
        ("Beside the aim", {"beside": None}),
    ):
        assert text.count(head) == 2 and head not in markdown(of_each_method(run, **without))


def test_the_same_figures_as_the_page(text, run):
    outcome = run.concepts[0].method("diffmean").outcome
    found = outcome.figures.behaviour
    link = "samples/wedding/diffmean/test.parquet"
    assert f"[{found.estimate:.2f}]({link}) ({found.low:.2f} to {found.high:.2f})" in text
    assert f"[3.2]({link}) | [0.41]({link}), [0.72]({link}) | 64 | 8 | 1 | 1 |" in text
    assert "[3.2](base/rows.parquet) | [0.41](base/rows.parquet), [0.72](base/rows.parquet) | 480" in text
    assert (
        "no coherent setting" in text and "**bride**" in text and "    saesteer run experiment.yaml" in text
    )


def test_links_are_relative_and_lead_down(text):
    found = links(rendered(text)) | {unquote(each) for each in re.findall(r'src="([^"]*)"', rendered(text))}
    assert "figures/a b.svg" in found and len(found) > 20
    for each in found:
        assert not each.startswith(("/", "..")) and ":" not in each and normpath(each) == each


def test_a_demo_is_a_page_too(report):
    found = rendered(markdown(report))
    assert "<h1>Steering the embedded world</h1>" in found and "What was asked" not in found


@pytest.fixture(scope="module")
def hostile(run):
    path = "a b/<1>|&\"').parquet"
    concept = run.concepts[0]
    methods = tuple(
        replace(
            each, label=EVIL, setting=EVIL, reason=EVIL, rows=path,
            judges=tuple(replace(j, judge=EVIL, figures={EVIL: j.figures["behaviour"]}) for j in each.judges),
            pairs=tuple(replace(p, prompt=EVIL, steered=f"{EVIL}\n\n{EVIL}") for p in each.pairs),
        )
        for each in concept.methods
    )  # fmt: skip
    changed = replace(concept, name=EVIL, description=EVIL, methods=methods, words=("script", "alert"))
    return replace(
        run, title=EVIL, subtitle=EVIL, command=f"{EVIL}\n# not a heading", notes=(EVIL,),
        concepts=(changed,), asked=((EVIL, EVIL),), failures=(), files=((EVIL, path),),
        provenance={EVIL: EVIL},
    )  # fmt: skip


def test_hostile_texts_are_shown_and_do_nothing(hostile):
    html = rendered(markdown(hostile))
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "b", "style", "s", "em"}
    assert "javascript" not in "".join(each.get("href") or "" for _, each in page.elements)
    shown = "".join(page.text)
    assert shown.count("</script><script>alert(1)</script><b onclick") > 10
    assert "| `a` **b** [x](javascript:alert(1)) ![y](z) # h $1$ ~~c~~ https://a.b www.a.b" in shown
    assert not set("\x00\x1b\u202e\ud800\u200f") & set(html)


def test_hostile_texts_change_no_table(run, hostile):
    plain = markdown(replace(run, concepts=run.concepts[:1], failures=()))
    ours, theirs = (tables(rendered(each)) for each in (markdown(hostile), plain))
    assert [len(each[0]) for each in ours] == [len(each[0]) for each in theirs]
    assert all(len({len(row) for row in table}) == 1 for table in ours)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1. one",
            "12) two",
            "- three",
            "+",
            "---",
            "===",
            "# four",
            "> five",
            "    six",
            "***",
            "7.5",
            "-0.2",
        ),
        *("<script x", "<!-- x", "<div", "<?x", "[a]: b", "a&lt;b", "| a | b |"),
    ],
)
def test_a_line_stays_a_paragraph_with_its_text(text):
    for shown in (one_line(text), f"- {one_line(text)}", f"x\n{one_line(text)}"):
        html = rendered(shown)
        assert not re.search("<(ol|h1|h2|hr|blockquote|pre|code)", html) and html.count("<ul") <= 1
        assert text.strip() in "".join(Page(html).text)
    assert one_line("7.5") == "7.5" and one_line("-0.2") == "-0.2"


def test_a_quotation_keeps_its_lines_and_code_is_one_line():
    html = rendered(quoted("a\n\n- b\n    c"))
    assert html.count("<blockquote") == 1 and not re.search("<ul|<pre", html)
    assert rendered(code("a\n\n# b `c`")) == "<pre><code>a # b `c`\n</code></pre>\n"


def test_equal_reports_are_equal_text(run):
    assert markdown(made_run()) == markdown(run)
