"""The example: its offline twin runs as its page says, and the page on lm_eval is that of its record."""

import json
import re
import shlex
from pathlib import Path

import pytest

from saesteer.cli.main import VERBS, command, main
from saesteer.steering import load_spec
from saesteer.steering.formats.csv_beta import looked_at
from scripts import measure_lm_eval
from tests.harness.test_command import quick, results_of  # noqa: F401

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "lm_eval"
COMMANDS = re.findall(r"^    saesteer (.+)$", (EXAMPLE / "README.md").read_text("utf-8"), re.MULTILINE)
TABLED = re.findall(r"^\| `saesteer ([^`]+)` \|", (ROOT / "docs/lm_eval.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("line", [*COMMANDS, *TABLED])
def test_every_command_of_the_pages_can_be_typed(line):
    """By our parser, and what is left by lm_eval's."""
    from saesteer.harness.command import parse

    verb, *words = shlex.split(line)
    assert verb in VERBS
    context = command(verb).make_context(verb, words)
    if verb == "lm-eval":
        assert parse(context.args, {}).part in ("run", "ls")


def test_there_are_commands():
    assert len(COMMANDS) == 5 and len(TABLED) == 6


def test_the_file_for_gemma_says_what_it_does():
    spec = load_spec(EXAMPLE / "dog_steer.csv")
    (each,) = spec.interventions
    assert (each.op, each.strength.value, each.hookpoint) == ("add", 240.0, "layers.20")
    source = "gemma-scope-2b-pt-res-canonical/layer_20/width_16k/canonical"
    assert looked_at(spec) == [(source, "layers.20", 12082)]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_twin_runs_offline(quick, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(EXAMPLE)
    (line,) = [each for each in COMMANDS if "base_name=world" in each]
    _, *words = shlex.split(line)
    words[words.index("--output_path") + 1] = str(tmp_path / "out")
    assert main(["lm-eval", *words, "--limit", "3"]) == 0
    found = results_of(tmp_path / "out")
    assert set(found["results"]) == {"world_grammar", "world_facts"}
    account = found["config"]["saesteer"]
    assert account["steered"] and account["saes"]["s0"]["source"] == "world/layers.3"
    rows = [json.loads(each) for each in (tmp_path / "out" / "readings.jsonl").read_text().splitlines()]
    assert len(rows) == 3 * 4 + 3 * 2 and {row["latent"] for row in rows} == {2935}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_twins_sweep_runs_offline(quick, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(EXAMPLE)
    (line,) = [each for each in COMMANDS if "--spec world_steer.csv" in each]
    _, *words = shlex.split(line)
    words[words.index("--output_path") + 1] = str(tmp_path / "out")
    assert main(["lm-eval", *words, "--limit", "3", "--strength", "400", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["setting"] for row in rows} == {f"world_steer@{each}" for each in (4, 8, 16, 400)}
    assert {row["task"] for row in rows} == {"world_grammar", "world_facts", "world_tracking"}
    assert min(row["delta"] for row in rows if row["strength"] == 400) < 0  # an ability can be lost


def test_the_table_of_the_page_is_that_of_its_record():
    found = measure_lm_eval.MARK.search(measure_lm_eval.PAGE.read_text("utf-8"))
    held = json.loads(measure_lm_eval.RECORD.read_text("utf-8"))
    assert found and found[0] == measure_lm_eval.table(held)
    assert {row["strength"] for row in held["rows"]} == set(measure_lm_eval.STRENGTHS)


def test_the_harder_task_tells_of_losses_that_the_others_do_not():
    """The unsteered model is neither guessing nor at the ceiling, and less is lost at smaller strengths."""
    held = json.loads(measure_lm_eval.RECORD.read_text("utf-8"))
    plain = {each["task"]: each for each in held["plain"]}
    assert 0.6 < plain["world_tracking"]["value"] <= 0.87 and plain["world_tracking"]["stderr"] < 0.02
    rows = sorted(held["rows"], key=lambda row: row["strength"])
    for spec in ("wedding", "random"):
        changes = [row["delta"] for row in rows if (row["task"], row["spec"]) == ("world_tracking", spec)]
        assert changes == sorted(changes, reverse=True) and changes[-1] < -0.1
    lost = {row["task"] for row in held["rows"] if row["setting"] == "wedding@0.5" and row["delta"] < 0}
    assert lost == {"world_tracking"}
    assert max(each["score"] for each in held["by_pairs"].values()) < 0.021
