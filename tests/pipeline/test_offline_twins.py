"""The examples of four published systems: every command can be typed, and each runs on the embedded world.

It is the same file there, with model, SAE, data and judge laid over it. The fifth, lm_eval, has its own test
(tests/harness/test_example.py).
"""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from saesteer.cli.main import VERBS, command, main
from saesteer.pipeline.experiment import read_experiment
from saesteer.runs import read_fields, read_yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TWINS = {
    "scar/train.yaml": (
        "scar/world_train.yaml",
        {"model", "texts", "at", "dtype", "device", "tokens", "saes"},
    ),
    "scar/experiment.yaml": ("scar/world.yaml", {"model", "saes", "concepts", "prompts", "judge"}),
    "topic_alignment/experiment.yaml": (
        "topic_alignment/world.yaml",
        {"model", "saes", "concepts", "prompts", "judge"},
    ),
    "sae_ts/experiment.yaml": ("sae_ts/world.yaml", {"model", "saes", "concepts", "prompts", "judge"}),
    "auto_interp/interpret.yaml": (
        "auto_interp/world.yaml",
        {"model", "saes", "texts", "tokens", "client", "explainer", "dtype", "device"},
    ),
}
COMMANDS = [
    (name, line)
    for name in ("scar", "topic_alignment", "sae_ts", "auto_interp")
    for line in re.findall(r"^    (\S.+)$", (EXAMPLES / name / "README.md").read_text("utf-8"), re.M)
]


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A copy of an example's folder, which the commands run in."""

    def enter(name):
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, folder)
        monkeypatch.chdir(folder)
        return folder

    return enter


def typed(line, **changed):
    """Run a command of a page, with options added."""
    words = shlex.split(line)[1:] + [part for name, each in changed.items() for part in (f"--{name}", each)]
    return main(words)


def line_of(name, *parts):
    (found,) = [line for each, line in COMMANDS if each == name and all(part in line for part in parts)]
    return found


def table_of(folder):
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        return {(row["concept"], row["method"]): row for row in csv.DictReader(file)}


def check_page(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert links and all((folder / each).exists() for each in links)
    return page


def test_there_are_commands_and_every_one_can_be_typed():
    assert len(COMMANDS) >= 25
    for name, line in COMMANDS:
        program, *words = shlex.split(line)
        if program == "python":
            assert (EXAMPLES / name / words[0]).is_file(), line
            continue
        assert program == "saesteer", line
        verb, *words = words
        if VERBS[verb][0].endswith(":PARTS"):
            verb, words = f"{verb} {words[0]}", words[1:]
        context = command(verb).make_context(verb, words)
        if verb == "lm-eval":
            from saesteer.harness.command import parse

            assert parse(context.args, {}).part == "run"


@pytest.mark.parametrize("file", TWINS)
def test_a_twin_is_the_same_file_but_for_model_sae_data_and_judge(file):
    over, allowed = TWINS[file]
    upper = read_yaml(EXAMPLES / over)
    assert set(upper) <= allowed
    model = upper["model"]
    assert (model if isinstance(model, str) else model["name"]) == "world"
    lower, both = read_fields(EXAMPLES / file), read_fields(EXAMPLES / file, [EXAMPLES / over])
    assert set(both) == set(lower) and all(both[key] == lower[key] for key in set(lower) - set(upper))
    assert all(both[key] != lower[key] for key in upper)


@pytest.mark.parametrize("name", ["scar", "topic_alignment"])
def test_the_plans_for_the_real_models_are_read_whole(name, example):
    """Everything is checked that can be without the network: methods, options, concepts."""
    folder = example(name)
    (folder / "prompts.txt").write_text("You are\nShe said\nWhat a\n", encoding="utf-8")
    found = read_experiment("experiment.yaml")
    assert found.model.name != "world" and len(found.methods) >= 3


@pytest.mark.slow  # trains an SAE and writes a few hundred texts
def test_scar_offline(example, capsys):
    folder = example("scar")
    path = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "world_texts.py", "--count", "200"], check=True, env=path)
    assert typed(line_of("scar", "--with world_train.yaml"), tokens="160_000") == 0
    capsys.readouterr()
    assert main([*shlex.split(line_of("scar", "detect world_texts"))[1:], "--json"]) == 0
    detected = json.loads(capsys.readouterr().out)
    assert detected["figures"]["auroc"]["estimate"] > 0.9
    line = line_of("scar", "--with world.yaml") + " --set strengths=[-50,-5,1]"
    assert typed(line, set="side_effects.count=4") == 0
    rows = table_of(folder / "runs/scar")
    latent, direction = rows["toxicity", "scar"], rows["toxicity", "diffmean"]
    assert float(latent["behaviour"]) < float(latent["base_behaviour"])  # after a short training
    assert float(direction["behaviour"]) < 0.5 * float(direction["base_behaviour"])
    assert "Conditioned latent" in check_page(folder / "runs/scar")


@pytest.mark.slow  # a sentence embedder, and some hundred texts
def test_topic_alignment_offline(example):
    folder = example("topic_alignment")
    assert typed(line_of("topic_alignment", "--aligned world/sea")) == 0
    assert typed(line_of("topic_alignment", "--with world.yaml"), set="prompts=4") == 0
    rows = table_of(folder / "runs/topic")
    assert float(rows["world/sea", "prompting"]["behaviour"]) > 0.5
    assert {method for _, method in rows} >= {"swap", "weight", "clamp", "splice", "diffmean"}
    check_page(folder / "runs/topic")


@pytest.mark.slow  # measures vectors, and writes more than a thousand texts
def test_sae_ts_offline(example):
    folder = example("sae_ts")
    measure = shlex.split(line_of("sae_ts", "--decoder 1000"))[1:]
    measure[measure.index("--decoder") + 1] = "170"
    assert main(measure) == 0
    assert typed("saesteer effects fit effects --out approximator") == 0
    line = line_of("sae_ts", "--with world.yaml") + " --set prompts=4"
    assert typed(line, set="concepts.only=[wedding]") == 0
    rows = table_of(folder / "runs/sae_ts")
    assert len(rows) == 7 and float(rows["wedding", "sae"]["lift"]) > 0.1
    check_page(folder / "runs/sae_ts")


@pytest.mark.slow  # reads some ten thousand tokens
def test_auto_interp_offline(example, capsys):
    folder = example("auto_interp")
    line = line_of("auto_interp", "--with world.yaml")
    assert typed(line.replace("--latents 16", "--latents 4"), tokens="40_000") == 0
    assert (folder / "runs/auto_interp/report.html").is_file()
    capsys.readouterr()
    assert typed(line_of("auto_interp", "a wedding with")) == 0
    assert re.findall(r"\bsae/\d+", capsys.readouterr().out)
