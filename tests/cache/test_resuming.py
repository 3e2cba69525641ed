"""A cache that was killed goes on, and its files are those of one that was not."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from saesteer.cache import cache_latents
from saesteer.cache.attempt import JOURNAL, Attempt
from saesteer.cache.spill import RUNS
from saesteer.errors import SaesteerError
from tests.latents.tiny import sae, sentences

TEXTS = sentences(100)
OPTIONS = {"context": 9, "batch_tokens": 64, "run_tokens": 200}


def saes():
    return {"a": sae(), "b": sae("standard", 1, "layers.1")}


@pytest.fixture(scope="module")
def whole(lm, tmp_path_factory):
    return files(
        cache_latents(tmp_path_factory.mktemp("whole"), lm, saes(), TEXTS, **OPTIONS).about["folder"]
    )


def files(folder):
    """Every file's bytes; the manifest without its time."""
    found = {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in Path(folder).rglob("*")
        if each.is_file()
    }
    found["manifest.json"] = json.loads(found["manifest.json"]) | {"finished": ""}
    return found


class Stopped(Exception):
    """Raised where a process would be killed."""


def stopping(stage, after, seen):
    """A progress that stops at so many reports of a stage."""

    def note(each):
        seen.append(each)
        if [one.stage for one in seen].count(stage) == after:
            raise Stopped

    return note


def partial(root):
    return next(root.glob(".*.partial"))


@pytest.mark.parametrize(("stage", "after"), [("reading", 1), ("reading", 6), ("merging", 1), ("merging", 4)])
def test_it_goes_on_where_it_stopped(lm, tmp_path, whole, stage, after):
    first, second = [], []
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=stopping(stage, after, first))
    kept = sum(line["tokens"] for line in lines(tmp_path) if "run" in line)
    found = cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=second.append)
    assert files(found.about["folder"]) == whole
    assert second[0].tokens > kept if stage == "reading" else second[0].stage == "merging"
    assert stage == "merging" or after == 1 or kept > 0
    assert not list(tmp_path.glob(".*.partial"))


def lines(root):
    path = partial(root) / JOURNAL
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def harm_last_run(folder):
    path = max((folder / RUNS).iterdir()) / "0.values.npy"
    path.write_bytes(path.read_bytes()[:-1])


def harm_first_run(folder):
    path = min((folder / RUNS).iterdir()) / "rows.ids.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def lose_a_run(folder):
    for each in (folder / RUNS / "000001").iterdir():
        each.unlink()


def tear_the_journal(folder):
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes()[:-5])


def harm_what_was_merged(folder):
    path = folder / "saes/0/values.npy"
    if path.exists():
        path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    "harm", [harm_last_run, harm_first_run, lose_a_run, tear_the_journal, harm_what_was_merged]
)
@pytest.mark.parametrize(("stage", "after"), [("reading", 6), ("merging", 3), ("merging", 5)])
def test_what_is_not_whole_is_made_again(lm, tmp_path, whole, stage, after, harm):
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=stopping(stage, after, []))
    try:
        harm(partial(tmp_path))
    except FileNotFoundError:
        assert stage == "merging"  # merged already, and deleted
    assert files(cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS).about["folder"]) == whole


def test_a_killed_end_is_cleaned_up(lm, tmp_path, whole, monkeypatch):
    """Killed between the index and the deletion of what nobody needs any more."""
    monkeypatch.setattr("saesteer.cache.making.shutil.rmtree", _stop)
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS)
    monkeypatch.undo()
    seen = []
    found = cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=seen.append)
    assert files(found.about["folder"]) == whole and not seen


def _stop(*_, **__):
    raise Stopped


KILLED = """
import sys
from pathlib import Path
from saesteer.cache import cache_latents
from saesteer.model import load_model
from tests.cache.test_resuming import OPTIONS, TEXTS, saes

counts = {"reading": 0, "merging": 0}

def progress(each):
    counts[each.stage] += 1
    if counts[sys.argv[3]] == int(sys.argv[4]):
        print("here", flush=True)
        sys.stdin.read()  # until killed

cache_latents(sys.argv[2], load_model(sys.argv[1]), saes(), TEXTS, **OPTIONS, progress=progress)
"""


def begin(*arguments):
    repository = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository / "src"), str(repository)])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", KILLED, *map(str, arguments)], env=environment, **pipes)


@pytest.mark.slow
def test_it_survives_kill_9(lm, model_folder, tmp_path, whole):
    """In the middle of the runs, then in the middle of the merge; meanwhile nobody else may work on it."""
    for stage, after in (("reading", 7), ("merging", 3)):
        with begin(model_folder, tmp_path, stage, after) as process:
            assert process.stdout.readline() == b"here\n"
            with pytest.raises(SaesteerError, match="another process works on"):
                cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert partial(tmp_path).is_dir()
    seen = []
    found = cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=seen.append)
    assert files(found.about["folder"]) == whole
    assert {each.stage for each in seen} == {"merging"}


def test_two_threads_do_not_both_write(lm, tmp_path, whole):
    errors = []

    def work():
        try:
            cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS)
        except SaesteerError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all("another process works on" in each for each in errors)
    assert files(next(tmp_path.glob("cache-*"))) == whole


def test_counts_are_not_doubled(lm, tmp_path):
    """What a run says twice after a kill counts once."""
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=stopping("reading", 6, []))
    path = partial(tmp_path) / JOURNAL
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    found = cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS)
    assert len(found.tokens) == sum(len(text.split()) for text in TEXTS) + len(found.tokens.starts) - 1
    np.testing.assert_array_equal(found["a"].statistics.count, np.diff(found["a"].indptr))


def test_a_run_that_was_made_again_stands_in_the_journal_once(lm, tmp_path):
    """Its old line counts no longer, and the runs after it are kept too."""
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=stopping("reading", 6, []))
    harm_first_run(partial(tmp_path))
    with pytest.raises(Stopped):
        cache_latents(tmp_path, lm, saes(), TEXTS, **OPTIONS, progress=stopping("reading", 8, []))
    numbers = [line["run"] for line in lines(tmp_path)]
    found = Attempt.load(partial(tmp_path), ["0", "1"])
    assert numbers.count(0) == 2 and max(numbers) > 2
    assert [run["run"] for run in found.runs] == list(range(max(numbers) + 1))
