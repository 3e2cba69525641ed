"""Processes that cannot begin, or die: who does their cells, and what is said of them."""

import json
import shutil

import pytest

from saesteer.errors import SaesteerError
from saesteer.pipeline.experiment import Places, load_run, prepare, report_of, run_experiment, workers
from saesteer.pipeline.experiment.result import RUN
from saesteer.world.assets import model_folder
from tests.pipeline.experiment.fake_workers import serve
from tests.pipeline.experiment.small import SEA, WEDDING, small


@pytest.fixture
def run(monkeypatch):
    """The records of cells by their folders, and what was said of lost processes."""
    monkeypatch.setattr(workers, "_serve", serve)

    def done(devices, folders, order=0.0):
        lost = []
        found = dict(workers.run_cells(order, devices, folders, lambda *told: None, lost.append))
        return found, lost

    return done


FOLDERS = ["a", "b", "c"]


@pytest.mark.parametrize("bad", ["bad", "bad and slow", "killed", "killed and slow"])
def test_one_that_cannot_begin_leaves_its_cell_to_the_others(run, bad):
    """Also where the others have long done theirs, and where it is killed while it loads."""
    found, lost = run([bad, "good"], FOLDERS)
    assert sorted(found) == FOLDERS and {each["device"] for each in found.values()} == {"good"}
    assert len(lost) == 1 and lost[0].startswith(f"process 1 ({bad}) could not begin: ")
    assert ("no such device" if "bad" in bad else "its process died (exit code 7") in lost[0]


def test_where_none_can_begin_one_error_names_them_all(run):
    with pytest.raises(SaesteerError) as caught:
        run(["bad", "bad and slow"], FOLDERS)
    said = str(caught.value)
    assert "no process is left for 3 of 3 pairs of concept and method" in said and "\n" not in said
    assert "process 1 (bad) could not begin: no such device" in said
    assert "process 2 (bad and slow) could not begin: no such device" in said


def test_one_that_dies_at_work_takes_its_cell_and_another_is_started(run):
    found, lost = run(["dies"], FOLDERS)
    assert not lost and sorted(found) == FOLDERS
    assert all("its process died (exit code 9" in each["error"] for each in found.values())


def test_one_that_died_with_its_last_cell_is_there_for_that_of_one_that_cannot_begin(run):
    """The second says late that it cannot begin; its cell had no part in the death of the first."""
    found, lost = run(["dies once", "bad and slow"], ["a", "b"])
    assert "its process died" in found["a"]["error"] and found["b"] == {"digest": "b", "device": "dies once"}
    assert len(lost) == 1


def test_one_whose_work_is_done_ends_by_itself(run, tmp_path):
    """Ended from outside, it leaves semaphores of its libraries behind, of which Python warns the user."""
    found, lost = run([f"tidy {tmp_path / 'ended'}"], FOLDERS)
    assert not lost and sorted(found) == FOLDERS and (tmp_path / "ended").exists()


@pytest.mark.slow  # processes of their own
def test_a_process_without_its_device_leaves_its_cells_to_the_other(tmp_path):
    """The second device is none that this machine has."""
    config = small(concepts=[SEA, WEDDING], methods=["diffmean"], strengths=[0.3])
    found = run_experiment(config, tmp_path / "run", devices=["cpu", "cuda:99"])
    assert not found.failures and all(each.tested for each in found.cells) and len(found.cells) == 2
    (lost,) = found.about["attempts"][0]["lost"]
    assert lost.startswith("process 2 (cuda:99) could not begin: the device 'cuda:99' cannot be used")
    assert [each for each in report_of(found).notes if "process 2 (cuda:99)" in each]


@pytest.mark.slow  # processes of their own
def test_where_no_process_gets_its_model_the_run_ends_and_keeps_what_is_done(tmp_path):
    """The model's folder goes when the first process has its own."""
    model = tmp_path / "model"
    shutil.copytree(model_folder(), model)
    config, out = small(model=str(model), strengths=[0.3]), tmp_path / "run"
    run_experiment(config | {"methods": ["random_direction"]}, out)
    config |= {"methods": ["random_direction", "diffmean", "caa"]}
    prepared = prepare(config, out, Places(2))
    assert prepared.setup  # with the model
    shutil.rmtree(model)
    with pytest.raises(SaesteerError) as caught:
        prepared.run()
    said = str(caught.value)
    assert "no process is left for 2 of 2 pairs" in said and "\n" not in said
    assert "process 1 could not begin: there is no folder" in said and "process 2 could not begin" in said
    assert len(json.loads((out / RUN).read_text())["attempts"][0]["lost"]) == 2
    shutil.copytree(model_folder(), model)
    assert {each.method.name for each in load_run(out).cells if not each.error} == {"random_direction"}
    stamp = (out / "samples/sea/random_direction/cell.json").stat().st_mtime_ns
    found = run_experiment(config, out)
    assert not found.failures and len(found.cells) == 3
    assert (out / "samples/sea/random_direction/cell.json").stat().st_mtime_ns == stamp
