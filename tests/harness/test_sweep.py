"""A sweep: settings beside the plain model, each finished once, with a table and pictures."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from saesteer.cli.main import main
from saesteer.errors import InputError
from saesteer.harness import Asked, command, sweep
from saesteer.harness.model import SteeredLM
from saesteer.steering.held import sae_hashes
from tests.harness.test_command import line, quick, spec, task  # noqa: F401
from tests.steering import tiny

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def words(quick, folder, task, spec, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("COLUMNS", "160")
    out = ["--output_path", str(tmp_path / "out")]
    return [*line(folder, task), "--sweep", "--spec", str(spec), *out]


def table(out):
    return json.loads((Path(out) / "deltas.json").read_text())


def test_a_sweep_is_one_table_and_one_picture(words, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*words, "--strength", "0", "--strength", "6", "--strength", "-6"]) == 0
    said = capsys.readouterr().out
    assert "spec@6" in said and "unsteered" in said
    found = table(out)
    tasks = {("choose", "acc"), ("write", "exact_match"), ("whole", "word_perplexity")}
    assert {(row["task"], row["metric"]) for row in found["plain"]} == tasks
    assert {row["setting"] for row in found["rows"]} == {"spec@0", "spec@6", "spec@-6"}
    for row in found["rows"]:
        if row["strength"] == 0:
            assert row["delta"] == 0 and row["p"] in (1.0, None)
    assert any(row["delta"] for row in found["rows"] if row["metric"] == "word_perplexity")
    rows = list(csv.DictReader((out / "deltas.csv").read_text().splitlines()))
    assert len(rows) == len(found["rows"]) == 9
    assert (out / "deltas.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "deltas.svg").read_text().startswith("<?xml")
    assert "| spec@6 | choose | acc | 3 |" in (out / "deltas.md").read_text()


def test_what_is_finished_is_not_run_again(words, tmp_path, monkeypatch, capsys):
    """A setting more costs that setting; other documents cost all."""
    ran = []
    steer = SteeredLM.loglikelihood

    def counted(self, *given, **named):
        ran.append(self.steered.asked.strength)
        return steer(self, *given, **named)

    monkeypatch.setattr(SteeredLM, "loglikelihood", counted)
    assert main([*words, "--strength", "6"]) == 0
    first = table(tmp_path / "out")
    assert ran == [None, 6.0]
    assert main([*words, "--strength", "6", "--strength", "3"]) == 0
    assert ran == [None, 6.0, 3.0]
    again = table(tmp_path / "out")
    assert [row["value"] for row in again["rows"][:3]] == [row["value"] for row in first["rows"]]
    data = tmp_path / "tasks" / "data.jsonl"
    data.write_text(data.read_text().replace("the old", "the wet"))
    assert main([*words, "--strength", "6"]) == 0
    assert ran[3:] == [None, 6.0]
    assert main([*words, "--strength", "6", "--limit", "2"]) == 0
    assert ran[5:] == [None, 6.0]


def test_other_examples_before_the_questions_are_run_anew(words, task, tmp_path, capsys):  # noqa: F811
    """Of few-shot tasks: they come of another split than the documents that are asked about."""
    shots, test = task / "shots.jsonl", task / "data.jsonl"
    shots.write_text(test.read_text())
    choose = task / "choose.yaml"
    files = f"{{data_files: {{test: {test}, train: {shots}}}}}"
    kept = [each for each in choose.read_text().splitlines() if not each.startswith("dataset_kwargs")]
    choose.write_text("\n".join([*kept, f"dataset_kwargs: {files}", "fewshot_split: train"]))
    place = words.index("--tasks") + 1
    words = [*words[:place], "choose", *words[place + 1 :], "--strength", "6"]
    settings, plain = tmp_path / "out" / "settings", []
    for more in ([], ["--num_fewshot", "2"]):
        assert main([*words, *more]) == 0
        plain.append(len(list(settings.glob("unsteered-*"))))
    shots.write_text(test.read_text().replace("the old", "the wet"))
    for more in ([], ["--num_fewshot", "2"]):
        assert main([*words, *more]) == 0
        plain.append(len(list(settings.glob("unsteered-*"))))
    assert plain == [1, 2, 2, 3]


@pytest.fixture
def loads(monkeypatch):
    """The models that were loaded, by name."""
    found, make = [], SteeredLM.__init__

    def counted(self, pretrained, **given):
        found.append(pretrained)
        make(self, pretrained, **given)

    monkeypatch.setattr(SteeredLM, "__init__", counted)
    return found


def test_a_finished_sweep_is_read_without_the_model(words, folder, tmp_path, loads, capsys):
    assert main([*words, "--strength", "6"]) == 0
    first = table(tmp_path / "out")
    assert main([*words, "--strength", "6"]) == 0
    assert len(loads) == 1 and table(tmp_path / "out") == first
    assert main([*words, "--strength", "6", "--strength", "3"]) == 0
    assert len(loads) == 2
    (tmp_path / "out" / "settings" / "models.json").write_text("torn {")
    assert main([*words, "--strength", "6"]) == 0
    assert len(loads) == 3 and table(tmp_path / "out") == first


def test_other_weights_in_the_same_folder_are_another_model(words, folder, tmp_path, loads, capsys):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    words = [each.replace(str(folder), str(copy)) for each in words]
    assert main([*words, "--strength", "6"]) == 0
    first = table(tmp_path / "out")
    other = tiny.llama(seed=1)
    other.hf.save_pretrained(copy)
    assert main([*words, "--strength", "6"]) == 0
    second = table(tmp_path / "out")
    assert len(loads) == 2 and second["about"]["model"] == other.fingerprint() != first["about"]["model"]
    assert second["rows"] != first["rows"]


def test_in_eighty_columns_no_name_is_cut(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words, "--strength", "6"]) == 0
    said = capsys.readouterr().out
    assert "word_" in said and "\u2026" not in said and max(map(len, said.splitlines()[:-1])) <= 80


def test_another_tokenizer_in_the_same_folder_is_another_model(words, folder, tmp_path, loads, capsys):
    """Of a tokenizer that lies elsewhere than the weights."""
    aside = tmp_path / "tokenizer"
    aside.mkdir()
    for each in folder.iterdir():
        if each.name.startswith(("token", "special", "vocab")):
            shutil.copy(each, aside)
    place = words.index("--model_args") + 1
    words = [*words[:place], f"{words[place]},tokenizer={aside}", *words[place + 1 :]]
    assert main([*words, "--strength", "6"]) == 0
    assert main([*words, "--strength", "6"]) == 0 and len(loads) == 1
    (aside / "tokenizer_config.json").write_text((aside / "tokenizer_config.json").read_text() + "\n")
    assert main([*words, "--strength", "6"]) == 0 and len(loads) == 2


def test_a_model_that_is_not_the_noted_one_ends_the_sweep_once(words, tmp_path, loads, capsys):
    """As an id of the Hub that moved on while the sweep had not ended."""
    assert main([*words, "--strength", "6"]) == 0
    record = tmp_path / "out" / "settings" / "models.json"
    record.write_text(json.dumps(dict.fromkeys(json.loads(record.read_text()), "0" * 32)))
    assert main([*words, "--strength", "3"]) == 2
    assert "give the same command once more" in capsys.readouterr().err
    assert main([*words, "--strength", "3"]) == 0


def test_the_sae_of_a_spec_is_known_without_the_model():
    """And one that no intervention uses is not loaded."""
    from saesteer.saes import load_sae
    from saesteer.steering import SAERef, load_spec

    held = load_spec(Path(__file__).parents[2] / "examples" / "lm_eval" / "world_steer.csv")
    more = replace(held, saes={**held.saes, "idle": SAERef("nowhere")})
    (name,) = held.saes
    expected = load_sae(held.saes[name].source).fingerprint()
    assert sae_hashes(more, {}) == {name: expected, "idle": None}


def test_a_sweep_that_was_broken_off_goes_on(words, tmp_path, monkeypatch, capsys):
    write, ran = SteeredLM.generate_until, []

    def broken(self, requests, **named):
        ran.append(self.steered.asked.strength)
        if self.steered.asked.strength == 6.0 and len(ran) < 3:
            raise KeyboardInterrupt
        return write(self, requests, **named)

    monkeypatch.setattr(SteeredLM, "generate_until", broken)
    assert main([*words, "--strength", "6"]) == 130
    assert not (tmp_path / "out" / "deltas.json").exists()
    assert main([*words, "--strength", "6"]) == 0
    assert ran == [None, 6.0, 6.0]


def test_several_specs_are_named_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    paths = [tmp_path / "a" / "s.yaml", tmp_path / "b" / "s.yaml"]
    names = [each.name for each in sweep.settings_of(paths, [1.0, 2.0], Asked())]
    assert names == ["a-s.yaml@1", "a-s.yaml@2", "b-s.yaml@1", "b-s.yaml@2"]
    assert [each.name for each in sweep.settings_of(paths[:1], [], Asked())] == ["s"]
    deeper = [tmp_path / "x" / "a" / "s.yaml", tmp_path / "y" / "a" / "s.yaml", tmp_path / "other.yaml"]
    names = [each.name for each in sweep.settings_of(deeper, [], Asked())]
    assert names == ["x-a-s.yaml", "y-a-s.yaml", "other"]
    close = [each.name for each in sweep.settings_of(paths[:1], [0.1234567, 0.1234568, 0.5], Asked())]
    assert close == ["s@0.1234567", "s@0.1234568", "s@0.5"]
    for twice in (paths[:1] * 2, [paths[0], tmp_path / "b" / ".." / "a" / "s.yaml"]):
        with pytest.raises(InputError, match="two settings of the sweep are the same"):
            sweep.settings_of(twice, [], Asked())
    with pytest.raises(InputError, match="two settings of the sweep are the same"):
        sweep.settings_of(paths[:1], [1.0, 1.0], Asked())
    with pytest.raises(InputError, match=r"unsteered\.yaml.*name of the plain model"):
        sweep.settings_of([tmp_path / "unsteered.yaml"], [], Asked())
    (named,) = sweep.settings_of([tmp_path / "unsteered.yaml"], [2.0], Asked())
    assert named.name == "unsteered@2"


def test_any_name_of_a_file_makes_a_folder(words, spec, tmp_path, capsys, recwarn):  # noqa: F811
    """A name that no stage may have was refused when the plain model had been run already."""
    odd = ["_s.yaml", "猫.yaml", "._@.yaml"]
    specs = [str(Path(spec).rename(tmp_path / odd[0])), *(str(tmp_path / each) for each in odd[1:])]
    for each in specs[1:]:
        shutil.copy(specs[0], each)
    place = words.index("--spec")
    words[place : place + 2] = [word for each in specs for word in ("--spec", each)]
    assert main(words) == 0
    assert {row["setting"] for row in table(tmp_path / "out")["rows"]} == {"_s", "猫", "._@"}
    assert not [each for each in recwarn if "Glyph" in str(each.message)]  # the font has no such letter


@pytest.mark.parametrize(
    ("words", "specs", "message"),
    [
        (["--tasks", "t"], ["s.yaml"], "give --output_path FOLDER"),
        (["--tasks", "t", "--output_path", "o", "--use_cache", "c"], ["s.yaml"], "leave --use_cache out"),
        (["--tasks", "t", "--output_path", "o", "--model", "hf"], ["s.yaml"], "is of a run of --model"),
        (["--tasks", "t", "--output_path", "o"], [], "give --spec FILE, once or several times"),
        (["--tasks", "t", "--output_path", "o", "--model_args", "spec=a"], ["s.yaml"], "got spec elsewhere"),
    ],
)  # fmt: skip
def test_what_a_sweep_cannot_be_is_refused(words, specs, message):
    with pytest.raises(InputError, match=message):
        sweep.sweep(command.parse(words, {}), [Path(each) for each in specs], [])


def test_what_a_task_function_calls_is_part_of_the_task(words, task, tmp_path, monkeypatch, capsys):  # noqa: F811
    (task / "helper.py").write_text("def more(doc):\n    return 0.5\n")
    (task / "own.py").write_text(
        "import importlib.util, pathlib\n"
        "place = pathlib.Path(__file__).with_name('helper.py')\n"
        "found = importlib.util.spec_from_file_location('helper', place)\n"
        "helper = importlib.util.module_from_spec(found)\n"
        "found.loader.exec_module(helper)\n"
        "def results(doc, given):\n"
        "    return {'acc': helper.more(doc)}\n"
    )
    own = (task / "choose.yaml").read_text().replace("choose", "own", 1)
    (task / "own.yaml").write_text(own + "process_results: !function own.results\n")
    words[words.index("choose,write,whole")] = "own"
    assert main(words) == 2 and "--allow-code" in capsys.readouterr().err
    assert main([*words, "--allow-code"]) == 0
    assert {row["value"] for row in table(tmp_path / "out")["plain"]} == {0.5}
    (task / "helper.py").write_text("def more(doc):\n    return 0.25\n")
    os.utime(task / "own.py", (2e9, 2e9))  # as a new process, lm_eval reads the module again
    assert main([*words, "--allow-code"]) == 0
    assert {row["value"] for row in table(tmp_path / "out")["plain"]} == {0.25}


def test_positions_hold_for_every_setting(words, tmp_path, capsys):
    tiny.direction(value=3.0).save(tmp_path / "other.yaml")
    assert main([*words, "--spec", str(tmp_path / "other.yaml"), "--positions", "first", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["setting"] for row in found["rows"]} == {"spec", "other"}
    (done,) = (tmp_path / "out" / "settings").glob("other-*/results.json")
    account = json.loads(done.read_text())["config"]["saesteer"]
    assert "at the first position" in account["spec"]["interventions"][0] or "first" in str(account["spec"])
