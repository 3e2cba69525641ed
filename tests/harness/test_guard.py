"""Task files are data: each way to run code out of one is refused, and works on request."""

import sys

import pytest

from saesteer.errors import InputError
from saesteer.harness.guard import guarded
from saesteer.harness.refusals import check_plain

BASE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}{more}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{context}}}}{template}"
doc_to_choice: choices
doc_to_target: answer
"""
RAN = "from pathlib import Path\nPath({mark!r}).write_text('ran')\ndef metric(items): return items\n"


@pytest.fixture
def tasks(tmp_path):
    """A folder of tasks, one for each way, and the file that exists once one of them has run."""
    data, mark = tmp_path / "data.jsonl", tmp_path / "ran"
    data.write_text('{"context": "the cat", "choices": ["sat", "ran"], "answer": 0}\n')
    (tmp_path / "code.py").write_text(RAN.format(mark=str(mark)))

    def write(name, tail="", more="", template=""):
        text = BASE.format(name=name, data=data, more=more, template=template) + tail
        (tmp_path / f"{name}.yaml").write_text(text)

    write("plain", "metric_list: [{metric: acc}]\n")
    write("function", "process_docs: !function code.metric\n")
    write("elsewhere", "process_docs: !function os.getcwd\n")
    (tmp_path / "python.yaml").write_text("task: python\nclass: !function code.metric\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.yaml").write_text("process_docs: !function code.metric\n")
    (tmp_path / "deep" / "code.py").write_text(RAN.format(mark=str(mark)))
    write("included", "include: deep/base.yaml\n")
    write("fetched", "metric_list: [{metric: acc, hf_evaluate: true}]\n")
    write("unknown", "metric_list: [{metric: somebodys_metric}]\n")
    write("remote", "metric_list: [{metric: acc}]\n", ", trust_remote_code: true")
    write("sandbox", template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    return tmp_path


def load(folder, name):
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return manager.load([name])["tasks"][name]


def test_a_plain_task_loads(tasks):
    with guarded():
        task = load(tasks, "plain")
        assert task.doc_to_text(task.eval_docs[0]) == "the cat"


@pytest.mark.parametrize("name", ["function", "elsewhere", "python", "included", "fetched", "unknown"])
def test_code_of_a_task_file_needs_a_word(tasks, name):
    with guarded(), pytest.raises(InputError, match="if you trust it, give --allow-code"):
        load(tasks, name)
    assert not (tasks / "ran").exists()


@pytest.mark.parametrize("name", ["function", "included"])
def test_with_that_word_it_runs(tasks, name):
    with guarded(allow_code=True):
        assert load(tasks, name).config.process_docs([1]) == [1]
    assert (tasks / "ran").exists()


def test_code_of_a_data_set_is_never_run(tasks):
    with guarded(allow_code=True), pytest.raises(InputError, match="trust_remote_code=True would run code"):
        load(tasks, "remote")


def test_templates_are_rendered_in_a_sandbox(tasks):
    from jinja2.exceptions import SecurityError

    with guarded(allow_code=True), pytest.raises(SecurityError):
        load(tasks, "sandbox")


def test_built_in_tasks_run_their_own_code():
    from lm_eval.tasks import _yaml_loader

    folder = _yaml_loader.Path(_yaml_loader.__file__).parent / "hellaswag"
    with guarded():
        assert callable(_yaml_loader._import_func_in_yml("utils.process_docs", folder))


def test_lm_eval_is_as_before_afterwards(tasks):
    import datasets
    import lm_eval.utils
    from lm_eval.tasks import _yaml_loader

    before = lm_eval.utils.env, datasets.load_dataset, _yaml_loader._import_func_in_yml
    with guarded():
        assert lm_eval.utils.env is not before[0]
    assert (lm_eval.utils.env, datasets.load_dataset, _yaml_loader._import_func_in_yml) == before
    sys.modules.pop(str(tasks / "code"), None)


@pytest.mark.parametrize(
    "values", [{"trust_remote_code": True}, {"a": [{"custom_generate": "x"}]}, {"trust_remote_code": "True"}]
)
def test_names_that_bring_code_are_found_however_deep(values):
    with pytest.raises(InputError, match="would run code from outside"):
        check_plain(values, "here")


def test_the_same_names_may_be_off():
    check_plain({"trust_remote_code": False, "deep": [{"trust_remote_code": "false"}]}, "here")
