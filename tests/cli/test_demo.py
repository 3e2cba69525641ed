"""saesteer demo."""

import json
import re

import pytest
import yaml

from saesteer.cli.demo import _command, _concepts
from saesteer.pipeline import demo
from saesteer.runs import laid_over, read_fields


@pytest.mark.parametrize("given", ["", " , ", "wedding,wedding", "wedding,world/wedding", "weding"])
def test_concepts_that_cannot_be_meant(run, tmp_path, given):
    said = run("demo", "--out", tmp_path / "out", "--concepts", given)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert not list(tmp_path.iterdir())


def test_a_concept_that_is_nearly_there(run):
    assert "did you mean 'wedding'?" in run("demo", "--concepts", "weding").err


def test_what_was_typed(tmp_path):
    assert _concepts(None) == []
    assert _concepts(" wedding, world/sea,") == ["wedding", "sea"]
    assert _command(tmp_path / "a b", "x,y") == f"saesteer demo --out '{tmp_path}/a b' --concepts x,y"


def test_a_folder_that_cannot_be_is_refused_first(run, tmp_path):
    (tmp_path / "file").write_text("")
    said = run("demo", "--out", tmp_path / "file")
    assert said.code == 2 and "is a file" in said.err and "Traceback" not in said.err


@pytest.mark.slow
def test_the_whole_way(run, tmp_path, monkeypatch):
    """With few texts, a control and a baseline: how the others are called is tested beside the experiment."""
    small = {
        "methods": ["random_direction", {"method": "prompting", "label": "Best prompt"}],
        "strengths": [0.3],
        "samples": {"selection": 1, "test": 1, "base": 1},
        "writing": {"max_new_tokens": 12},
        "prompts": ["It was late", "They had a house", "Anna went to the town"],
        "coherence": 0,
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(laid_over(read_fields(demo.FILE), small)), "utf-8")
    monkeypatch.setattr(demo, "FILE", tmp_path / "small.yaml")
    out = tmp_path / "out"
    said = run("demo", "--out", out, "--concepts", "wedding", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["report"] == str(out / "report.html")
    assert f"saesteer demo --out {out} --concepts wedding" in (out / "report.html").read_text("utf-8")
    [control, prompt] = record["results"]
    assert (control["method"], prompt["method"]) == ("random_direction", "prompting")
    assert prompt["samples"] >= 1 and prompt["behaviour_low"] <= prompt["behaviour"] <= 1
    again = run("demo", "--out", out, "--concepts", "wedding")
    assert again.code == 0 and "world/wedding" in again.out and "Best prompt" in again.out
    texts = record["cost"]["texts"]
    assert re.search(rf"Report: {out}/report.html, \d+ s for {texts} texts", again.out.replace("\n", ""))
    assert run("run", out / "experiment.yaml", "--out", out, "--dry-run", "--json").code == 0
