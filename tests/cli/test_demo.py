"""saesteer demo."""

import json
from functools import partial

import pytest

from saesteer.cli.demo import _command, _concepts
from saesteer.pipeline import StudyConfig
from saesteer.pipeline import demo as pipeline_demo


@pytest.mark.parametrize("given", ["", " , ", "wedding,wedding", "wedding,world/wedding", "weding"])
def test_concepts_that_cannot_be_meant(run, tmp_path, given):
    said = run("demo", "--out", tmp_path / "out", "--concepts", given)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert not list(tmp_path.iterdir())


def test_a_concept_that_is_nearly_there(run):
    assert "did you mean 'wedding'?" in run("demo", "--concepts", "weding").err


def test_what_was_typed(tmp_path):
    assert _concepts(None) == {}
    assert _concepts(" wedding, world/sea,") == {"concepts": ["wedding", "sea"]}
    assert _command(tmp_path / "a b", "x,y") == f"saesteer demo --out '{tmp_path}/a b' --concepts x,y"


def test_a_folder_that_cannot_be_is_refused_first(run, tmp_path):
    (tmp_path / "file").write_text("")
    said = run("demo", "--out", tmp_path / "file")
    assert said.code == 2 and "is a file" in said.err and "Traceback" not in said.err


@pytest.mark.slow
def test_the_whole_way(run, tmp_path, monkeypatch):
    tiny = StudyConfig(
        strengths=(0.3,), latents=1, samples=1, test_samples=2, base_samples=2, max_new_tokens=20
    )
    monkeypatch.setattr(pipeline_demo, "run_demo", partial(pipeline_demo.run_demo, config=tiny))
    said = run("demo", "--out", tmp_path, "--concepts", "wedding", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["report"] == str(tmp_path / "report.html")
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    assert {row["method"] for row in record["summary"]} >= {"diffmean", "sae_decoder", "prompting"}
    again = run("demo", "--out", tmp_path, "--concepts", "wedding")
    assert again.code == 0 and "world/wedding" in again.out and f"Report: {tmp_path}/report.html" in again.out
