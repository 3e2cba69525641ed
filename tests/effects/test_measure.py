"""A run in its folder: whole, the same again, resumed after a kill, refused to two at once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from saesteer.effects import (
    Chunk,
    EffectsRun,
    Scaling,
    decoder_rows,
    gaussian,
    joined,
    measure_effects,
    mixtures,
)
from saesteer.errors import CorruptFile, InputError, SaesteerError, ShapeMismatch
from saesteer.runs import Journal, Manifest, read_json
from tests.effects import tiny


def measure(root: Path, **changed):
    lm, sae = tiny.model_and_sae()
    given = {"directions": tiny.directions(), "texts": tiny.TEXTS, "settings": tiny.settings(), **changed}
    return measure_effects(root, lm, sae, **given)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> EffectsRun:
    return measure(tmp_path_factory.mktemp("whole"))


def test_a_run_holds_every_vector_with_its_effects(run):
    chunks = list(run.chunks())
    assert all(isinstance(each, Chunk) for each in chunks) and [len(each) for each in chunks] == [3, 3, 1]
    assert torch.equal(torch.cat([each.vectors for each in chunks]), tiny.directions().vectors)
    assert torch.cat([each.effects for each in chunks]).isfinite().all()
    assert run.kinds == ("random",) * 7 and [each.number for each in run.lines] == list(range(7))
    assert len(run) == 7 == len(run.scales) == len(run.losses) == len(run.whole)
    assert run.baseline.shape == (24,) and (run.baseline >= 0).all() and run.baseline.any()
    assert "<td>7</td>" in run._repr_html_()
    assert run.summary["vectors"] == 7 and sum(run.outcomes().values()) == 7


def test_effects_are_means_less_the_baseline(run):
    """A vector of next to no strength has the plain model's means, up to the luck of its rollouts."""
    settings = tiny.settings(n=150, baseline=1, scaling=Scaling(strength=1e-6, context=8))
    quiet = measure(run.folder.parent, directions=tiny.directions(2), settings=settings)
    (chunk,) = quiet.chunks()
    assert (chunk.effects + quiet.baseline >= -1e-6).all()
    assert chunk.effects.norm(dim=-1).max() < 0.15 * quiet.baseline.norm()
    loud = [each.effects.norm(dim=-1) for each in run.chunks()]
    assert torch.cat(loud).min() > 0.2 * run.baseline.norm()


def test_what_it_was_made_of_is_written_down(run):
    lm, sae = tiny.model_and_sae()
    assert run.meta["steered_at"] == run.meta["read_at"] == "layers.1" and run.meta["from_pass"] is True
    assert run.meta["model"]["fingerprint"] == lm.fingerprint()
    assert run.meta["sae"] == {"source": None, "fingerprint": sae.fingerprint()}
    assert run.meta["settings"]["n"] == 2 and run.meta["settings"]["scaling"]["delta"] == 0.2
    assert run.meta["target_loss"] == pytest.approx(run.meta["clean_loss"] + 0.2)
    assert run.meta["seed"] == 0 and "torch" in run.meta["versions"]
    manifest = Manifest.load(run.folder)
    assert set(manifest.inputs) == {"model", "sae", "directions", "texts"}


def test_the_same_request_is_the_same_folder_and_nothing_is_measured_again(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    again = measure(run.folder.parent)
    assert again.folder == run.folder
    assert {path: path.stat().st_mtime_ns for path in run.folder.iterdir()} == before


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"settings": tiny.settings(n=3)},
        {"directions": tiny.directions(6)},
        {"texts": tiny.TEXTS[:2]},
        {"at": "layers.2"},
    ],
    ids=lambda each: next(iter(each)),
)
def test_another_request_is_another_folder(run, changed):
    assert measure(run.folder.parent, **changed).folder != run.folder


class Stop(Exception):
    pass


def stop_after(count: int):
    def progress(done: int, total: int) -> None:
        if done >= count:
            raise Stop

    return progress


@pytest.mark.parametrize("done", [0, 3, 6])
def test_a_run_that_broke_off_goes_on_and_gives_the_same_bytes(run, tmp_path, done):
    with pytest.raises(Stop):
        measure(tmp_path, progress=stop_after(done))
    (partial,) = tmp_path.glob(".*.partial")
    kept = {path: path.stat().st_mtime_ns for path in partial.glob("shard-*")}
    assert len(kept) == done // 3
    told = []
    found = measure(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(each, 7) for each in (0, 3, 6, 7) if each >= done]
    for path, when in kept.items():
        assert (found.folder / path.name).stat().st_mtime_ns == when
    assert shards(found.folder) == shards(run.folder)


def test_a_shard_that_is_torn_or_unsaid_is_measured_again(run, tmp_path):
    with pytest.raises(Stop):
        measure(tmp_path, progress=stop_after(6))
    (partial,) = tmp_path.glob(".*.partial")
    first = partial / "shard-00000.safetensors"
    first.write_bytes(first.read_bytes()[:-8])
    lines = (partial / "journal.jsonl").read_text().splitlines()
    (partial / "journal.jsonl").write_text("\n".join(lines[:2]) + "\n")  # the baseline and this shard
    assert shards(measure(tmp_path).folder) == shards(run.folder)


@pytest.mark.parametrize("damage", [lambda data: data[:5], lambda data: data[:-1] + b"x", None], ids=str)
def test_a_baseline_that_is_torn_changed_or_unsaid_is_measured_again(run, tmp_path, damage):
    """One that was changed went into the shards that were left; one that was cut off was a traceback."""
    with pytest.raises(Stop):
        measure(tmp_path, progress=stop_after(3))
    (partial,) = tmp_path.glob(".*.partial")
    baseline, journal = partial / "baseline.safetensors", partial / "journal.jsonl"
    if damage is None:
        journal.write_text("".join(each for each in journal.read_text().splitlines(True) if "shard" in each))
        baseline.write_bytes(b"")
    else:
        baseline.write_bytes(damage(baseline.read_bytes()))
    assert shards(measure(tmp_path).folder) == shards(run.folder)


@pytest.mark.parametrize("line", ['{"shard": 0}', "[1]", "3", '{"shard": [], "sha256": ""}'])
def test_a_journal_of_something_else_is_one_sentence(tmp_path, line):
    with pytest.raises(Stop):
        measure(tmp_path, progress=stop_after(0))
    (partial,) = tmp_path.glob(".*.partial")
    (partial / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(CorruptFile, match="is no journal of a run; delete"):
        measure(tmp_path)


def _run_and_wait(root: str) -> None:
    def progress(done: int, total: int) -> None:
        Path(root, "told").write_text(str(done))
        if done >= 3:
            time.sleep(600)

    measure(Path(root) / "runs", progress=progress)


@pytest.mark.slow
def test_after_kill_9_nothing_is_lost_and_nothing_twice_and_two_at_once_are_refused(run, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_run_and_wait, args=(str(tmp_path),))
    process.start()
    told = tmp_path / "told"
    while not (told.exists() and told.read_text() == "3"):
        assert process.is_alive()
        time.sleep(0.05)
    with pytest.raises(SaesteerError, match="another process works on"):
        measure(tmp_path / "runs")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    found = measure(tmp_path / "runs")
    assert shards(found.folder) == shards(run.folder)
    assert [each.get("shard") for each in Journal(found.folder / "journal.jsonl")] == [None, 0, 1, 2]


@pytest.mark.parametrize("name", ["index.json", "lines.parquet"])
def test_lines_and_index_that_were_changed_are_refused(run, tmp_path, name):
    """A changed hookpoint, fingerprint or outcome would be believed."""
    folder = tmp_path / run.folder.name
    shutil.copytree(run.folder, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(CorruptFile, match=f"{name} was changed since it was written"):
        EffectsRun.open(folder)
    (folder / name).unlink()
    with pytest.raises(CorruptFile, match=f"{name} is missing"):
        EffectsRun.open(folder)


def test_a_shard_that_was_changed_is_refused_on_reading(tmp_path):
    found = measure(tmp_path)
    path = found.folder / found.files[1]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptFile, match="was changed"):
        list(EffectsRun.open(found.folder).chunks())
    path.unlink()
    with pytest.raises(CorruptFile, match="is missing"):
        list(found.chunks())


def test_a_broken_line_is_in_no_chunk(tmp_path):
    lm, sae = tiny.fragile(), tiny.sae("topk", hook_name="layers.1")
    settings = tiny.settings(scaling=Scaling(strength=6e4, context=8))
    found = measure_effects(
        tmp_path, lm, sae, tiny.directions(4), tiny.TEXTS, at="model.norm", settings=settings
    )
    assert found.outcomes()["broken"] > 0
    assert sum(map(len, found.chunks())) == len(found.whole) == 4 - found.outcomes()["broken"]


def test_kinds_and_origins_stay_with_their_lines(tmp_path):
    _, sae = tiny.model_and_sae()
    parts = joined([decoder_rows(sae, [3, 7]), mixtures(sae, 2, seed=1), gaussian(tiny.WIDTH, 1)])
    found = measure(tmp_path, directions=parts, source="mine")
    assert [each.kind for each in found.lines] == ["decoder"] * 2 + ["mixture"] * 2 + ["random"]
    assert [each.origin for each in found.lines] == list(parts.origins)
    assert found.meta["sae"]["source"] == "mine"
    index = read_json(found.folder / "index.json")
    assert index["shards"] == ["shard-00000.safetensors", "shard-00001.safetensors"]


def test_what_does_not_fit_is_refused_before_anything_is_measured(tmp_path):
    lm, _ = tiny.model_and_sae()
    with pytest.raises(ShapeMismatch, match="vectors are 8 wide"):
        measure(tmp_path, directions=gaussian(8, 2))
    with pytest.raises(ShapeMismatch, match="d_in"):
        measure_effects(
            tmp_path, lm, tiny.sae("topk", d_in=8, hook_name="layers.1"), tiny.directions(), tiny.TEXTS
        )
    with pytest.raises(InputError, match="already has"):
        measure(tmp_path, settings=tiny.settings(scaling=Scaling(loss=0.1)))
    with pytest.raises(InputError, match="not effects"):
        (tmp_path / "other").mkdir()
        Manifest.of(tmp_path / "other", "sweep", 1, {}, None, None).save(tmp_path / "other")
        EffectsRun.open(tmp_path / "other")
