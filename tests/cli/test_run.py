"""`saesteer run`: what it prints before and after, what it writes, and how it ends."""

import dataclasses
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from saesteer.cli.main import command
from saesteer.parsing import parse_yaml
from saesteer.pipeline.experiment import ExperimentConfig, running
from saesteer.pipeline.experiment.result import held
from tests.cli import tiny
from tests.pipeline.experiment.small import small

FAILING = {"method": "sae_decoder", "name": "mine", "options": {"latent": 10**6}}


def written(tmp_path, **changes):
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(small(**changes)), encoding="utf-8")
    return path


def test_a_dry_run_tells_the_plan_and_writes_nothing(run, tmp_path):
    path = written(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    said = run("run", path, "--dry-run", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "world/sea · diffmean" in said.out and "left to do: 2 of 2 pairs; 16 texts of about" in said.out
    assert "seconds" in said.out
    found = json.loads(run("run", path, "--dry-run", "--out", tmp_path / "out", "--json").out)
    assert found["estimate"]["texts"] == 16 and found["estimate"]["seconds"] > 0
    assert [each["method"] for each in found["cells"]] == ["diffmean", "random_direction"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_without_the_model_tells_what_the_network_must_give(run, tmp_path):
    path = written(tmp_path, model="nobody/nothing", saes={"s": "nobody/sae"})
    said = run("run", path, "--dry-run")
    assert said.code == 0, said.err
    assert (
        "from the network, unless it is in the local cache: the model nobody/nothing, the SAE nobody/sae"
        in said.out
    )
    assert "no time is estimated" in said.out and "16 texts" in said.out
    assert run("run", path, "--out", tmp_path / "out").code == 2 and not (tmp_path / "out").exists()


def test_a_dry_run_fails_where_the_run_would(run, tmp_path):
    """The model is here; it is the prompt that cannot be."""
    said = run("run", written(tmp_path, prompts=["It was late", " "]), "--dry-run")
    assert said.code == 2 and "no time is estimated" not in said.out


def test_a_run_ends_with_its_report_which_is_made_again_from_the_disk(run, tmp_path):
    out = tmp_path / "out"
    said = run("run", written(tmp_path), "--set", "strengths=[0.25]", "--out", out)
    assert said.code == 0, said.err
    assert str(out / "report.html") in said.out.replace("\n", "")
    page = (out / "report.html").read_text(encoding="utf-8")
    (out / "report.html").unlink()
    said = run("report", out)
    assert said.code == 0 and "report.html" in said.out
    assert (out / "report.html").read_text(encoding="utf-8") == page
    assert run("report", out, "--out", tmp_path / "p.html").code == 2
    found = json.loads(run("run", written(tmp_path), "--set", "strengths=[0.25]", "--out", out, "--json").out)
    assert found["cells"] == 2 and found["failures"] == []


def test_a_folder_in_which_a_run_works_takes_no_other_run_and_no_report(run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run("run", written(tmp_path), "--set", "strengths=[0.25]", "--out", out).code == 0
    before = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    monkeypatch.setattr(running, "open_model", lambda *given: pytest.fail("a model was loaded"))
    with held(out):
        for line in (("run", written(tmp_path), "--out", out), ("report", out)):
            said = run(*line)
            assert (said.code, said.out) == (1, "") and f"another process works on {out}; wait" in said.err
    assert {each: each.read_bytes() for each in out.rglob("*") if each.is_file()} == before


def test_a_failed_method_makes_the_exit_code_one(run, tmp_path):
    path = written(tmp_path, methods=["random_direction", FAILING])
    said = run("run", path, "--out", tmp_path / "out")
    assert said.code == 1 and (tmp_path / "out" / "report.html").is_file()
    assert "1 of 2 pairs of concept and method failed, such as world/sea · mine" in said.err


def test_bad_input_is_one_line_and_nothing_is_written(run, tmp_path):
    for words in (
        ["--set", "coherence=3"],
        ["--with", tmp_path / "none.yaml"],
        ["--devices", "cpu,cpu", "--processes", "3"],
        ["--devices", ","],
        ["--devices", "cpu,,cpu"],
        ["--devices", ""],
        ["--devices", "cpu,banana"],
        ["--set", "title="],
        ["--set", "samples.test='4'"],
        ["--set", "side_effects=yes please"],
    ):
        said = run("run", written(tmp_path), "--out", tmp_path / "out", *words)
        assert said.code == 2 and said.err.count("\n") == 1, said
        if words[1] in (",", "cpu,,cpu", ""):
            assert f"--devices are names with commas, got {words[1]!r}; give cuda:0,cuda:1" in said.err
    assert not (tmp_path / "out").exists()


def test_a_run_in_which_everything_fails_leaves_its_table_and_its_page(run, tmp_path):
    said = run("run", written(tmp_path, methods=[FAILING]), "--out", tmp_path / "out")
    assert said.code == 1 and "1 of 1 pairs of concept and method failed" in said.err
    assert "No result: no method came to one on any concept." in said.out
    assert {"results.csv", "report.html", "report.md"} <= {each.name for each in (tmp_path / "out").iterdir()}


def test_a_dry_run_refuses_a_hookpoint_that_the_model_lacks(run, tmp_path):
    path = written(tmp_path, methods=[{"method": "diffmean", "at": "layers.99"}])
    said = run("run", path, "--dry-run")
    assert said.code == 2 and "no hookpoint 'layers.99'; its layers are 0 to" in said.err


def test_long_names_stay_readable_in_eighty_columns(run, tmp_path, monkeypatch):
    """Of concepts and of methods, before and after."""
    monkeypatch.setenv("COLUMNS", "80")
    concept = tmp_path / "long.yaml"
    text = Path(small()["concepts"][0]).read_text(encoding="utf-8")
    name = "a concept with a name that goes on and on and on and then some more"
    concept.write_text(re.sub("(?m)^name: .*$", f"name: {name}", text), encoding="utf-8")
    methods = [
        {"method": each, "name": f"{each} with a rather long name"} for each in ("diffmean", "caa", "pca")
    ]
    path = written(tmp_path, concepts=[str(concept)], methods=methods, strengths=[0.2])
    said = run("run", path, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    plan, _, table = said.out.partition("left to do")
    rows = [line for line in plan.splitlines() if "long" in line or "…" in line]
    assert len(rows) == 3 and all(len(line) <= 80 and "…" in line for line in rows)
    assert len({len(line.rstrip()) for line in rows}) == 1  # the figures stand below each other
    summary = table.split("\nbehaviour, its ratio")[0].splitlines()[2:]
    lines = [line for line in summary if "with a" in line]
    assert len(lines) == 3 and all(len(line) <= 80 for line in summary)
    assert [line.split(" with a")[-2].split()[-1] for line in lines] == ["diffmean", "caa", "pca"]
    assert sum("a concept with a name" in line for line in lines) == 1
    assert "1 concept, 3 methods, 4 prompts, 1 seed" in plan


@pytest.mark.slow  # a process of its own
def test_ctrl_c_says_how_to_go_on(tmp_path):
    path = written(tmp_path, samples={"selection": 200, "test": 1, "base": 1}, batch=16)
    out = tmp_path / "out"
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);" + tiny.ENTRY
    words = [sys.executable, "-c", code, "run", str(path), "--out", str(out)]
    process = subprocess.Popen(words, env=tiny.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(out.glob("samples/sea/diffmean/parts/.*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().count("\n") == 1 and "the same command goes on from there" in said.decode()


def test_what_the_page_of_experiments_shows_can_be_typed():
    page = (Path(__file__).parents[2] / "docs/experiments.md").read_text(encoding="utf-8")
    block = page.partition("\n\n    title:")[2].partition("\n\n")[0]
    config = ExperimentConfig.from_dict(parse_yaml(dedent("    title:" + block)))
    assert [each.name for each in config.methods][2:4] == ["depths", "mine"] and config.seeds == (0, 1)
    lines = re.findall(r"^\| `saesteer ([^`]+)` \|", page, re.M)
    assert len(lines) == 4
    for line in lines:
        verb, *words = shlex.split(line)
        command(verb).make_context(verb, words)
    rows = re.findall(r"^\| (`[^|]+) \|", page.partition("## Fields")[2], re.M)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {
        each.name for each in dataclasses.fields(ExperimentConfig)
    }
