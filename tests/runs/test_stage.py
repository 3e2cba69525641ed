"""Stages: finished ones are reused and never edited, killed ones go on, equal requests are one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.runs import Journal, Manifest, run_stage, sha256_bytes, write_text
from saesteer.runs.stage import forget


@dataclass(frozen=True)
class Config:
    k: int = 8
    layers: tuple[int, ...] = (1, 2)


REQUEST = {"inputs": {"model": "abc"}, "config": Config(), "seed": 0}


class Work:
    """Writes one file and counts how often it was asked to."""

    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        write_text(folder / "sub" / "out.txt", "made")


def test_an_equal_request_is_reused_untouched(tmp_path):
    work = Work()
    folder = run_stage(tmp_path, "find", work, **REQUEST)
    before = {each: each.stat().st_mtime_ns for each in folder.rglob("*")}
    equal = {"seed": 0, "config": {"layers": [1, 2], "k": 8}, "inputs": {"model": "abc"}}
    assert run_stage(tmp_path, "find", work, **equal) == folder
    assert work.calls == 1
    assert {each: each.stat().st_mtime_ns for each in folder.rglob("*")} == before
    assert (folder / "sub" / "out.txt").read_text() == "made"


@pytest.mark.parametrize(
    "change", [{"inputs": {"model": "abd"}}, {"config": Config(k=9)}, {"seed": 1}, {"revision": 2}]
)
def test_another_request_is_another_folder(tmp_path, change):
    work = Work()
    first = run_stage(tmp_path, "find", work, **REQUEST)
    second = run_stage(tmp_path, "find", work, **{**REQUEST, **change})
    assert first != second and work.calls == 2
    assert first.is_dir() and second.is_dir()


def test_the_manifest_says_what_went_in_and_came_out(tmp_path):
    folder = run_stage(tmp_path, "find", Work(), **REQUEST)
    manifest = Manifest.load(folder)
    assert manifest.inputs == {"model": "abc"} and manifest.seed == 0
    assert manifest.config == {"k": 8, "layers": [1, 2]}
    assert manifest.outputs == {"sub/out.txt": sha256_bytes(b"made")}
    assert {"python", "saesteer", "torch", "numpy"} <= set(manifest.versions)


def test_a_failed_stage_goes_on_where_it_stood(tmp_path):
    attempts = []

    def work(folder):
        journal = Journal(folder / "rows.jsonl")
        attempts.append(len(list(journal)))
        for row in range(attempts[-1], 5):
            if row == 3 and len(attempts) == 1:
                raise KeyboardInterrupt
            journal.append(row)

    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, "sweep", work, **REQUEST)
    assert not [each for each in tmp_path.iterdir() if not each.name.startswith(".")]
    folder = run_stage(tmp_path, "sweep", work, **REQUEST)
    assert attempts == [0, 3]
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == [folder]
    assert list(Journal(folder / "rows.jsonl")) == [0, 1, 2, 3, 4]
    assert sorted(Manifest.load(folder).outputs) == ["rows.jsonl"]


def test_a_killed_stage_leaves_no_litter_in_the_finished_one(tmp_path):
    code = f"""
import os
from saesteer.runs import atomic, run_stage
def work(folder):
    with atomic(folder / "big.bin") as temporary:
        temporary.write_bytes(b"half")
        os._exit(9)
run_stage({str(tmp_path)!r}, "sweep", work, inputs={{"model": "abc"}}, config={{"k": 1}}, seed=0)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert [each for each in tmp_path.rglob("*") if each.name.startswith(".big.bin.")]
    folder = run_stage(tmp_path, "sweep", Work(), inputs={"model": "abc"}, config={"k": 1}, seed=0)
    assert sorted(each.name for each in folder.rglob("*")) == ["manifest.json", "out.txt", "sub"]


def test_two_processes_do_not_work_on_one_stage(tmp_path):
    def work(folder):
        write_text(folder / "x", "")
        with pytest.raises(SaesteerError, match="another process works on"):
            run_stage(tmp_path, "find", Work(), **REQUEST)

    run_stage(tmp_path, "find", work, **REQUEST)


def test_a_changed_or_missing_output_is_not_reused(tmp_path):
    work = Work()
    folder = run_stage(tmp_path, "find", work, **REQUEST)
    (folder / "sub" / "out.txt").write_text("edit")
    with pytest.raises(CorruptFile, match=r"out\.txt was changed"):
        run_stage(tmp_path, "find", work, **REQUEST)
    assert run_stage(tmp_path, "find", work, **REQUEST, verify=False) == folder
    (folder / "sub" / "out.txt").unlink()
    with pytest.raises(CorruptFile, match=r"out\.txt is missing"):
        run_stage(tmp_path, "find", work, **REQUEST)
    forget(folder)
    assert run_stage(tmp_path, "find", work, **REQUEST) == folder
    assert work.calls == 2


def test_a_note_laid_beside_the_outputs_does_not_hurt(tmp_path):
    folder = run_stage(tmp_path, "find", Work(), **REQUEST)
    Journal(folder / "ratings.jsonl").append({"row": 1, "rating": 5})
    assert run_stage(tmp_path, "find", Work(), **REQUEST) == folder


def test_a_manifest_of_another_request_is_refused(tmp_path):
    folder = run_stage(tmp_path, "find", Work(), **REQUEST)
    record = json.loads((folder / "manifest.json").read_text())
    for broken in ({**record, "seed": 7}, {"stage": "find"}, []):
        (folder / "manifest.json").write_text(json.dumps(broken))
        with pytest.raises(CorruptFile):
            run_stage(tmp_path, "find", Work(), **REQUEST)


def test_a_manifest_cannot_point_outside(tmp_path):
    folder = run_stage(tmp_path, "find", Work(), **REQUEST)
    record = json.loads((folder / "manifest.json").read_text())
    record["outputs"] = {"../../etc/passwd": "0"}
    (folder / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="leads out of"):
        run_stage(tmp_path, "find", Work(), **REQUEST)


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "a b", "n" * 101])
def test_a_stage_name_is_a_plain_word(tmp_path, name):
    with pytest.raises(InputError, match="stage's name"):
        run_stage(tmp_path, name, Work(), **REQUEST)
    assert not list(tmp_path.iterdir())


def test_forget_deletes_only_finished_stages(tmp_path):
    write_text(tmp_path / "precious" / "thesis.txt", "x")
    with pytest.raises(InputError, match="nothing was deleted"):
        forget(tmp_path / "precious")
    assert os.listdir(tmp_path / "precious") == ["thesis.txt"]
