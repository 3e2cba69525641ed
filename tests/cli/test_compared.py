"""`saesteer report RUN RUN2 ...` through the command line; reading a run's folder is replaced here."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from saesteer.cli import compared
from saesteer.cli.main import command, main
from tests.report.runs import made_run


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Two folders, whose reports stand in for those of real runs."""
    known = {"a": made_run(2, 4), "b": made_run(2, 4, shift=0.2)}
    for name in known:
        (tmp_path / "runs" / name).mkdir(parents=True)
    monkeypatch.setattr(compared, "report_of", lambda folder: known[folder.name])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_whose_links_lead_to_the_runs(runs, capsys):
    assert main(["report", "runs/a", "runs/b", "--out", "pages/x.html"]) == 0
    told = capsys.readouterr().out
    assert "2 runs compared" in told and f"page: {os.path.join('pages', 'x.html')}" in told
    page = (runs / "pages/x.html").read_text(encoding="utf-8")
    assert 'href="../runs/a/report.html"' in page and 'href="../runs/b/samples/' in page


def test_as_json_and_by_its_own_name(runs, capsys):
    assert main(["report", "runs/a", "runs/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": "comparison.html", "runs": ["runs/a", "runs/b"]}
    assert (runs / "comparison.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/a", "runs/b", "--latent", "layers.3/1"], "leave --latent and --export away"),
        (["runs/a", "runs/b", "--out", "x.pdf"], "is a .html file"),
        (["runs/a", "runs/b", "runs/../runs/a"], "twice"),
    ],
)
def test_what_does_not_go_together_is_one_line(runs, capsys, arguments, message):
    assert main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(runs.glob("*.html"))


def test_the_commands_of_the_page_can_be_typed():
    page = (Path(__file__).parents[2] / "docs/run_reports.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    saesteer (.+)$", page, re.M)
    assert lines
    for line in lines:
        verb, *words = shlex.split(line)
        assert command(verb).make_context(verb, words).params["others"]
