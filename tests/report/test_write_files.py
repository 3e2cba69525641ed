"""Markdown and figures beside each other: every picture that is named is there, and the same again."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from saesteer.report import write_files
from tests.report.runs import made_run


@pytest.fixture(scope="module")
def run():
    return made_run(2, 8)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, write_files(run, folder)


def test_what_is_written(written):
    folder, paths = written
    names = ["overview", "heat", "01_wedding_dose", "01_wedding_pareto", "02_sea_dose", "02_sea_pareto"]
    expected = {folder / "figures" / f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert set(paths) == expected | {folder / "report.md"} == {p for p in folder.rglob("*") if p.is_file()}


def test_every_picture_that_the_markdown_names_is_there(written):
    folder, _ = written
    named = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", (folder / "report.md").read_text(encoding="utf-8"))
    assert len(named) == 6 and all((folder / each).is_file() for each in named)


def test_equal_reports_are_equal_bytes(written, tmp_path):
    folder, paths = written
    write_files(made_run(2, 8), tmp_path)
    for each in paths:
        assert each.read_bytes() == (tmp_path / each.relative_to(folder)).read_bytes(), each.name


def test_figures_stand_by_themselves(written):
    """Their own colours, title and legend; nothing from elsewhere."""
    folder, _ = written
    for path in folder.rglob("*.svg"):
        text = path.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "var(--" not in text and "#0a0a0" not in text and "#0a0b" not in text
        assert not re.search(r'href="(?!#)', text) and "<script" not in text
    dose = (folder / "figures/01_wedding_dose.svg").read_text(encoding="utf-8")
    for told in (
        "wedding: by strength",
        "Difference of means",
        "Principal component",
        "coherence",
        "behaviour",
    ):
        assert told in dose
    for path in folder.rglob("*.png"):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_map_has_every_value_and_says_where_there_is_none(written, run):
    text = (written[0] / "figures/heat.svg").read_text(encoding="utf-8")
    values = [m.outcome.figures.behaviour.estimate for c in run.concepts for m in c.methods if m.outcome]
    for each in values:
        assert f">{each:.2f}<" in text
    assert text.count(">coherent<") == 1


def test_names_of_concepts_lead_nowhere_else(run, tmp_path):
    evil = "../../<script>$\\frac{$"
    same = tuple(replace(each, name=evil) for each in run.concepts)
    write_files(replace(run, concepts=same), tmp_path / "in")
    assert [each.name for each in tmp_path.iterdir()] == ["in"]
    found = {each.name for each in (tmp_path / "in/figures").glob("*_dose.svg")}
    assert len(found) == 2 and all(re.fullmatch(r"[\w.-]+", each) for each in found)
    for path in (tmp_path / "in").rglob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")


@pytest.mark.filterwarnings("error")
def test_a_letter_that_no_font_has_is_nobodys_warning(tmp_path):
    run = made_run(1, 1)
    named = replace(run.concepts[0], name="sea \U0001f389")
    write_files(replace(run, concepts=(named,)), tmp_path)
