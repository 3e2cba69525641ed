"""The command line: lm_eval's own options pass through, ours are added, and code from outside is refused."""

import json
import subprocess
import sys
import tomllib
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from saesteer.cli.main import main
from saesteer.errors import InputError
from saesteer.harness import command
from tests.steering import tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Without lm_eval's index of its thousands of tasks."""
    import lm_eval.tasks

    monkeypatch.setattr(
        lm_eval.tasks, "TaskManager", partial(lm_eval.tasks.TaskManager, include_defaults=False)
    )
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def task(tmp_path):
    """A task of three kinds of requests, in a folder."""
    data = tmp_path / "tasks" / "data.jsonl"
    data.parent.mkdir()
    rows = [("the cat", ["sat on", "and mat"]), ("a dog", ["ran .", "the sea"]), ("the old", ["cat", "dog"])]
    data.write_text("".join(json.dumps({"q": q, "c": c, "a": 0}) + "\n" for q, c in rows))
    common = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\n"
    (data.parent / "choose.yaml").write_text(
        "task: choose\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\n"
        "metric_list: [{metric: acc}]\n" + common
    )
    (data.parent / "write.yaml").write_text(
        "task: write\noutput_type: generate_until\ndoc_to_text: q\ndoc_to_target: 'x'\n"
        "generation_kwargs: {until: ['.'], max_gen_toks: 6}\nmetric_list: [{metric: exact_match}]\n" + common
    )
    (data.parent / "whole.yaml").write_text(
        "task: whole\noutput_type: loglikelihood_rolling\ndoc_to_text: ''\n"
        "doc_to_target: '{{q}} {{c[0]}}'\nmetric_list: [{metric: word_perplexity}]\n" + common
    )
    return data.parent


@pytest.fixture
def spec(tmp_path):
    tiny.direction(value=6.0).save(tmp_path / "spec.yaml")
    return tmp_path / "spec.yaml"


def results_of(folder):
    (found,) = Path(folder).rglob("results_*.json")
    return json.loads(found.read_text())


def line(folder, task, *more):
    return [
        "lm-eval", *more, "--model_args", f"pretrained={folder},dtype=float32", "--include_path", str(task),
        "--tasks", "choose,write,whole", "--device", "cpu",
    ]  # fmt: skip


@pytest.mark.filterwarnings("default")  # of lm_eval and what it calls
def test_a_run_writes_lm_evals_results_with_where_they_come_from(quick, folder, task, spec, tmp_path, capsys):
    out = tmp_path / "out"
    words = line(folder, task, "--spec", str(spec), "--strength", "3", "--limit", "2", "--batch_size", "auto")
    assert main([*words, "--output_path", str(out), "--log_samples"]) == 0
    found = results_of(out)
    assert found["config"]["limit"] == 2 and found["config"]["batch_size"] == "auto"
    account = found["config"]["saesteer"]
    assert (account["steered"], account["spec"]["strength"]) == (True, 3.0)
    assert account["spec"]["interventions"][0].endswith("strength 3; every position but bos and special")
    assert found["n-samples"]["choose"]["effective"] == 2
    assert len(list(out.rglob("samples_*.jsonl"))) == 3
    assert "|choose" in capsys.readouterr().out.replace(" ", "")


@pytest.mark.filterwarnings("default")
def test_strength_0_and_no_spec_give_the_numbers_of_model_hf(quick, folder, task, spec, tmp_path, capsys):
    ways = {"hf": ["--model", "hf"], "none": [], "zero": ["--spec", str(spec), "--strength", "0"],
            "steered": ["--spec", str(spec)]}  # fmt: skip
    found = {}
    for name, more in ways.items():
        out = tmp_path / name
        assert main([*line(folder, task, *more), "--output_path", str(out), "--log_samples"]) == 0
        logged = sorted(out.rglob("samples_*.jsonl"))
        rows = [json.loads(each) for path in logged for each in path.read_text().splitlines()]
        found[name] = results_of(out)["results"], [(row["doc_id"], row["resps"]) for row in rows]
    assert found["none"] == found["zero"] == found["hf"]
    assert found["steered"][1] != found["hf"][1]


@pytest.mark.filterwarnings("default")
def test_the_command_of_the_pull_request_runs_as_written(quick, folder, task, tmp_path, capsys):
    """Its model's name and arguments, a CSV in its dialect, and a row that prints."""
    tiny.sae(hook_name="layers.1").save(tmp_path / "sae")
    rows = [f"3, 9.0, {tmp_path / 'sae'},, dogs, add", f"5, 1.0, {tmp_path / 'sae'},, dogs, print"]
    head = "latent_idx, steering_coefficient, sae_release, sae_id, description, hook_action\n"
    (tmp_path / "dogs.csv").write_text(head + "\n".join(rows) + "\n")
    words = [
        "lm-eval",
        "--model",
        "sae_steered_beta",
        "--model_args",
        f"base_name={folder},csv_path=dogs.csv",
    ]
    words += ["--tasks", "choose", "--batch_size", "auto", "--output_path", ".", "--device", "cpu"]
    assert main([*words, "--include_path", str(task)]) == 0
    account = results_of(tmp_path)["config"]["saesteer"]
    assert account["saes"]["s0"]["source"] == str(tmp_path / "sae") and account["steered"]
    readings = [json.loads(each) for each in (tmp_path / "readings.jsonl").read_text().splitlines()]
    assert [(row["task"], row["latent"]) for row in readings] == [("choose", 5)] * 6


@pytest.mark.filterwarnings("default")
def test_json_is_all_that_is_on_stdout(quick, folder, task, spec, capsys):
    assert main([*line(folder, task), "--spec", str(spec), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["saesteer"]["steered"] and set(found["results"]) == {"choose", "write", "whole"}


@pytest.mark.filterwarnings("default")
def test_a_file_of_options_is_heeded_and_checked(quick, folder, task, spec, tmp_path, capsys):
    config = tmp_path / "options.yaml"
    config.write_text(
        f"tasks: choose\ninclude_path: {task}\ndevice: cpu\nlimit: 1\nmodel_args:\n  pretrained: {folder}\n"
    )
    assert main(["lm-eval", "--config", str(config), "--spec", str(spec), "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out[out.index("{") :])
    assert found["config"]["saesteer"]["steered"] and found["n-samples"]["choose"]["effective"] == 1
    config.write_text(config.read_text() + "  trust_remote_code: true\n")
    with pytest.raises(InputError, match="trust_remote_code=True would run code"):
        command.parse(["--config", str(config)], {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trust_remote_code"], "trust_remote_code=True would run code"),
        (["--trust"], "trust_remote_code=True would run code"),  # argparse takes the beginning of a name
        (["--model_args", "pretrained=x,trust_remote_code=True"], "--model_args trust_remote_code=True"),
        (
            ["--model_args", '{"pretrained": "x", "trust_remote_code": true}'],
            "--model_args trust_remote_code",
        ),
        (["--model", "hf", "--model_args", "trust_remote_code=1"], "--model_args trust_remote_code=1"),
        (["--gen_kwargs", "custom_generate=a/b"], "--gen_kwargs custom_generate='a/b'"),
        (["--confirm_run_unsafe_code"], "--confirm_run_unsafe_code runs what a model writes"),
    ],
)
def test_code_from_outside_is_refused_before_anything_runs(words, message):
    with pytest.raises(InputError, match=message):
        command.parse([*words, "--tasks", "t"], {})


@pytest.mark.parametrize(
    ("words", "steering", "message"),
    [
        (["--model", "hf"], {"spec": "s.yaml"}, "spec: --model hf is not steered"),
        (["ls", "tasks"], {"spec": "s.yaml"}, "lm_eval ls has no model to steer"),
        (["--model_args", "csv_path=a.csv"], {"spec": "s.yaml"}, "say the same; give one of them"),
        (["--model_args", "pretrained=a,base_name=b"], {}, "name a model each"),
        ([], {"strength": 1.0}, "strength, positions and skip are of a spec"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, steering, message):
    with pytest.raises(InputError, match=message):
        command.parse(words if "ls" in words else [*words, "--tasks", "t"], steering)


def test_an_unsafe_task_may_be_confirmed_with_both_words():
    parsed = command.parse(["--confirm_run_unsafe_code", "--tasks", "humaneval"], {}, allow_code=True)
    assert parsed.given.confirm_run_unsafe_code


def test_names_of_models_and_arguments_for_lm_eval():
    parsed = command.parse(["--tasks", "a,b"], {"spec": "x,y=z.yaml", "strength": 2.0})
    assert parsed.given.model == "saesteer" and parsed.given.tasks == ["a", "b"]
    assert parsed.arguments == {"pretrained": "world", "spec": "x,y=z.yaml", "strength": 2.0}
    parsed = command.parse(["--model", "sae_steered_beta", "--model_args", "base_name=b", "--tasks", "a"], {})
    assert parsed.arguments == {"pretrained": "b"}


def test_lm_eval_may_find_our_model_by_itself():
    """The entry points that its main branch reads are declared, and lead to our class."""
    from lm_eval.api.registry import get_model

    from saesteer.harness.model import SteeredLM

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = project["entry-points"]["lm_eval.models"]
    assert declared == command.NAMES
    for name, target in declared.items():
        assert EntryPoint(name, target, "lm_eval.models").load() is SteeredLM is get_model(name)
    assert project["optional-dependencies"]["lm-eval"] == ["lm-eval[hf]>=0.4.13"]


def test_a_plain_import_of_saesteer_imports_no_lm_eval():
    code = "import sys, saesteer, saesteer.harness, saesteer.cli.lm_eval; print('lm_eval' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n")


def test_without_lm_eval_the_message_says_what_to_install(monkeypatch):
    from saesteer.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "lm_eval.models", None)
    with pytest.raises(MissingExtra, match=r"pip install 'saesteer\[lm-eval\]'"):
        command.register()


@pytest.mark.filterwarnings("default")
def test_two_specs_need_a_sweep(spec, capsys):
    assert main(["lm-eval", "--spec", str(spec), "--spec", str(spec), "--tasks", "t"]) == 2
    assert "to compare several add --sweep" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("tasks", "message"), [(["--tasks", "nosuch"], "Tasks not found: nosuch"), ([], "no tasks")]
)
@pytest.mark.parametrize("sweep", [False, True])
def test_tasks_that_are_not_there_are_bad_input(quick, folder, spec, tmp_path, capsys, tasks, message, sweep):
    words = ["lm-eval", "--spec", str(spec), "--model_args", f"pretrained={folder}", *tasks]
    words += ["--sweep", "--output_path", str(tmp_path / "out")] if sweep else []
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert message in said and "lm-eval ls tasks" in said


def test_the_output_path_of_a_config_file_is_that_of_readings_and_sweeps_too(tmp_path):
    (tmp_path / "c.yaml").write_text(f"tasks: [t]\noutput_path: {tmp_path / 'out'}\n")
    parsed = command.with_readings(command.parse(["--config", str(tmp_path / "c.yaml")], {}), None)
    assert parsed.arguments["readings"] == str(tmp_path / "out" / "readings.jsonl")
    for wrong in ("5", "[5]"):
        (tmp_path / "c.yaml").write_text(f"tasks: {wrong}\n")
        with pytest.raises(InputError, match="tasks"):
            command.parse(["--config", str(tmp_path / "c.yaml")], {})


def test_a_sweep_keeps_readings_by_setting(spec, capsys):
    assert main(["lm-eval", "--sweep", "--spec", str(spec), "--tasks", "t", "--readings", "r.jsonl"]) == 2
    assert "leave --readings out" in capsys.readouterr().err


def test_a_spec_that_cannot_be_read_is_told_before_tasks_are_looked_for(tmp_path, monkeypatch, capsys):
    import lm_eval.tasks

    monkeypatch.setattr(lm_eval.tasks, "TaskManager", lambda **given: pytest.fail("tasks were indexed"))
    words = ["lm-eval", "--spec", str(tmp_path / "none.yaml"), "--tasks", "choose"]
    for line in (words, [*words, "--sweep", "--output_path", str(tmp_path / "out")]):
        assert main(line) == 2 and "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [([], True), (["--output_path", "out"], False), (["--model_args", "readings=r.jsonl"], False)],
)
def test_what_rows_print_is_missed_where_nothing_keeps_it(words, told):
    looks = ROOT / "examples" / "lm_eval" / "world_steer.csv"
    parsed = command.parse(["--tasks", "t", *words], {"spec": str(looks)})
    assert command.unread(command.with_readings(parsed, None)) == told


def test_a_spec_that_prints_nothing_misses_no_readings(spec):
    assert not command.unread(command.parse(["--tasks", "t"], {"spec": str(spec)}))
