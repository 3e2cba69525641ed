"""Data-parallel: two processes with half of every batch each make the steps of one process with all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from saesteer.training import Member, ReLU, TrainConfig, train_saes
from saesteer.training.workers import ALONE, device_of, launched
from tests.training.test_group import Planted, members

SHARED = """
import json, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from test_group import fingerprints
from test_workers import Part, group
from saesteer.training import train_saes
from saesteer.training.workers import launched
with launched() as workers:
    found = train_saes(Part(workers.rank), group(), {folder!r}, workers=workers)
    print(json.dumps([workers.size, fingerprints(found)]), flush=True)
"""


class Part:
    """Half of the tokens of every batch."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def after(self, done: int):
        for batch in Planted().after(done):
            half = {at: x[self.rank :: 2] for at, x in batch.activations.items()}
            yield type(batch)(half, batch.labels[self.rank :: 2])


def group() -> dict[str, Member]:
    """All but those that choose among the tokens of a batch, which must differ."""
    found = {name: each for name, each in members().items() if "batch" not in name and "matry" not in name}
    return found | {"layers.0/standard": Member("layers.0", dying(3 * 128))}


def dying(resample_tokens: int | None) -> TrainConfig:
    """So steep that latents die at once, and begin anew where they are resampled."""
    form = ReLU(l1=5.0, l1_warmup_share=0.0, resample_tokens=resample_tokens)
    return replace(members()["layers.0/standard"].config, form=form, lr=0.1, dead_after_tokens=128)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    script = tmp_path / "train.py"
    folder = tmp_path / "run"
    script.write_text(SHARED.format(here=str(Path(__file__).parent), folder=str(folder)))
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, root]), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([sys.executable, *launcher], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(lines) == 2 and lines[0] == lines[1] and lines[0][0] == 2  # the same SAEs to the bit
    alone = train_saes(Whole(), group())
    unlike = train_saes(Whole(), {"plain": Member("layers.0", dying(None))})["plain"]
    assert alone["layers.0/standard"].sae.fingerprint() != unlike.sae.fingerprint()  # some did begin anew
    for name, each in alone.items():
        tensors = load_file(folder / name / "sae_weights.safetensors")
        for key, ours in each.sae.named_parameters():
            torch.testing.assert_close(tensors[key], ours.data, rtol=1e-3, atol=1e-3, msg=f"{name} {key}")
        assert each.metrics[-1].tokens == 20 * 128 or name == "layers.0/topk"


def test_which_graphics_card(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert [device_of(each) for each in ("cuda", "cuda:1", "cpu")] == ["cuda:3", "cuda:1", "cpu"]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert device_of("cuda") == "cuda"


class Whole:
    """Both halves, one after the other."""

    def after(self, done: int):
        for one, two in zip(Part(0).after(done), Part(1).after(done), strict=True):
            x = {at: torch.cat([one.activations[at], two.activations[at]]) for at in one.activations}
            yield type(one)(x, torch.cat([one.labels, two.labels]))


def test_alone_nothing_is_launched(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with launched() as workers:
        assert workers is ALONE and workers.first
