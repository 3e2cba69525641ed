"""All pages together: every link leads to a file and a place in it, names of files stay inside."""

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from saesteer.cli.main import command
from saesteer.errors import InputError
from saesteer.examples import Explanation, Interpretation, LatentFigures, LatentId
from saesteer.latents import LogitEffect, TokenEffect
from saesteer.report import Neighbour, PageNotes, write_interpretation_page
from saesteer.report.exports import EXPORTS
from saesteer.report.latent_links import addresses, files, folders
from tests.report.interpretations import made_interpretation
from tests.report.test_latent_page import made_cache


class Links(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.to, self.ids = [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.to += [found["href"]] if tag == "a" else []
        self.ids |= {found["id"]} if "id" in found else set()


def leads_nowhere(page: Path) -> list[str]:
    lost = []
    for link in Links(page.read_text(encoding="utf-8")).to:
        file, _, place = link.partition("#")
        target = page if not file else page.parent / unquote(file)
        if not target.is_file() or (place and place not in Links(target.read_text(encoding="utf-8")).ids):
            lost.append(link)
    return lost


def results(saes):
    found = made_interpretation(9, saes=saes)
    return Interpretation(found.explanations, found.scores, found.latents, found.about)


def test_every_link_leads_somewhere(tmp_path):
    found = results(("layers.3", "odd name/100%#?é"))
    latent, other = list(found.latents)[:2]
    page = write_interpretation_page(
        found, tmp_path / "a report #1.html", neighbours={latent: [Neighbour(other, 0.5, "jaccard")]}
    )
    pages = [page, *tmp_path.glob("a report #1_latents/*/*.html")]
    assert len(pages) == 10
    links = Links(page.read_text(encoding="utf-8")).to
    assert len([each for each in links if "latents/" in each]) > 20
    for each in pages:
        assert leads_nowhere(each) == []


def test_only_listed_latents_have_pages(tmp_path):
    seen = []
    page = write_interpretation_page(
        results(("layers.3",)), tmp_path / "report.html", notes=PageNotes(most=3),
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert len(list(tmp_path.rglob("*.html"))) == 4 and leads_nowhere(page) == []
    assert [each[1:] for each in seen] == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(InputError, match=r"name it report\.html"):
        write_interpretation_page(results(("layers.3",)), tmp_path / "report.txt")


def test_cache_and_effects_reach_the_pages(tmp_path):
    latents = [LatentId("layers.3", number) for number in range(2)]
    known = {each: LatentFigures(0.1, 2.0, 9) for each in latents}
    found = Interpretation(tuple(Explanation(each, "e", "x") for each in latents), (), known)
    effect = LogitEffect((TokenEffect(2, " sea", 2.5),), ())
    write_interpretation_page(
        found, tmp_path / "report.html", made_cache(), effect=lambda each: effect if each.latent else None
    )
    first, second = ((tmp_path / f"report_latents/layers.3/{n}.html").read_text() for n in range(2))
    assert "Promotes" not in first and "Promotes" in second and "<mark" in first


def test_folders_are_safe_and_never_shared():
    names = ["layers.3", "../../etc", "..", ".", "", "a/b", "a?b", "A_B", "x" * 300, "é"]
    found = folders(names)
    assert list(found) == names and len({each.casefold() for each in found.values()}) == len(names)
    for each in found.values():
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}", each), each
    assert found["layers.3"] == "layers.3" and found[".."] == "sae"
    latent = LatentId("a b", 3)
    assert addresses(files([latent], "my pages")) == {latent: "my%20pages/a_b/3.html"}


def test_the_commands_of_the_docs_can_be_typed():
    page = (Path(__file__).parents[2] / "docs/reports_of_latents.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    saesteer (.+)$", page, re.M)
    assert len(lines) >= 5
    for line in lines:
        verb, *words = shlex.split(line)
        command(verb).make_context(verb, words)
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.M)) == set(EXPORTS.names())
    assert (Path(__file__).parents[2] / "docs/figures/latent_page.png").is_file()
