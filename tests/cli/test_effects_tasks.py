"""saesteer effects tasks, bias: what published task configs need, what an approximator's bias is worth."""

from __future__ import annotations

import json

import huggingface_hub.constants
import pytest
import torch

from saesteer.effects import bias_diagnostics
from saesteer.effects.published import write_adapter
from tests.effects.hub import COMMIT
from tests.effects.linear import truth
from tests.effects.test_tasks import ALL, CRITERIA, LATENTS

MODEL, SAE = "google/gemma-2-2b", "someone/scope-res/layer_5/width_16k/average_l0_7"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Put a file into the hub's local cache, which is empty."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(repo, file, text="{}", kind="models"):
        home = tmp_path / "hub" / f"{kind}--{repo.replace('/', '--')}"
        (home / "refs").mkdir(parents=True, exist_ok=True)
        (home / "refs" / "main").write_text(COMMIT)
        place = home / "snapshots" / COMMIT / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    return put


@pytest.fixture
def root(tmp_path):
    """Two tasks of Gemma 2."""
    for name, files in {"harbour": ALL, "quay": {"criteria": CRITERIA, "feature_steer": LATENTS}}.items():
        folder = tmp_path / "cfgs" / "gemma2" / name
        folder.mkdir(parents=True)
        for file, record in files.items():
            (folder / f"{file}.json").write_text(json.dumps(record))
    return tmp_path / "cfgs"


def needs(said):
    assert (said.code, said.err) == (0, "")
    return {(each["noun"], each["name"]): each["cached"] for each in json.loads(said.out)["needs"]}


def test_tasks_are_listed_with_what_is_missing(run, root, cache):
    said = run("effects", "tasks", root)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    harbour, quay = (next(line for line in lines if line.startswith(name)) for name in ("harbour", "quay"))
    assert all(each in harbour for each in (MODEL, "layers.5", "2 + 2", "12, 34 x -0.5", "56"))
    assert "2 + 2" not in quay and quay.rstrip().endswith("-")
    assert f"model {MODEL}: not in the local cache" in lines
    assert f"SAE {SAE}: not in the local cache" in lines
    assert "approximator sae_ts/2b: not in the local cache" in lines


def test_json_has_every_field(run, root, cache):
    record = json.loads(run("effects", "tasks", root / "gemma2" / "harbour", "--json").out)
    (task,) = record["tasks"]
    assert task["criteria"][0]["behaviour"] == "The text speaks of a harbour"
    assert task["optimised"] == {"sae": SAE, "hookpoint": "layers.5", "latents": [[56, 1.0]]}
    assert task["concept"]["positive"] == ["ships at the quay", "the old pier"]
    assert task["left_out"] == ["Harbour", "Meadow"] and task["needs"] == [
        f"the model {MODEL}",
        f"the SAE {SAE}",
    ]


def test_what_is_in_the_cache_is_said(run, root, cache):
    line = ("effects", "tasks", root, "--json")
    cache(MODEL, "config.json")
    assert needs(run(*line))["model", MODEL] is False
    cache(MODEL, "model.safetensors.index.json", json.dumps({"weight_map": {"a": "one.st", "b": "two.st"}}))
    cache(MODEL, "one.st")
    assert needs(run(*line))["model", MODEL] is False
    cache(MODEL, "two.st")
    assert needs(run(*line)) == {
        ("model", MODEL): True,
        ("SAE", SAE): False,
        ("approximator", "sae_ts/2b"): False,
    }
    cache("someone/scope-res", "layer_5/width_16k/average_l0_7/params.npz", "PK")
    cache("schalnev/sae-ts-effects", "adapter_2b_layer_12.pt", kind="datasets")
    assert set(needs(run(*line)).values()) == {True}


def test_no_tasks_no_approximator(run, root, tmp_path, cache):
    said = run("effects", "tasks", tmp_path / "nothing")
    assert (said.code, said.out) == (2, "") and "there is no criteria.json below" in said.err
    (root / "gemma2" / "harbour" / "optimised_steer.json").unlink()
    assert ("approximator", "sae_ts/2b") not in needs(run("effects", "tasks", root, "--json"))


def test_the_bias_direction_beside_random_ones(run, tmp_path):
    known = truth(10, d=6, d_sae=11).approximator
    write_adapter(tmp_path / "a.pt", known)
    line = ("effects", "bias", tmp_path / "a.pt", "--directions", 50, "--seed", 3)
    said = run(*line, "--json")
    assert (said.code, said.err) == (0, "")
    record, found = json.loads(said.out), bias_diagnostics(known, 50, 3)
    assert record["along_bias"] == pytest.approx(found.along_bias) and record["along_bias"] < 0
    assert record["random_size"] == pytest.approx(found.random_size) and record["directions"] == 50
    assert record["sources"] == [f"approximator: {tmp_path / 'a.pt'}, as given"]
    shown = run(*line).out
    assert f"{found.along_bias:.3g}" in shown and "50 random ones" in shown
    torch.save({"W": known.M, "b": torch.zeros(11)}, tmp_path / "flat.pt")
    said = run("effects", "bias", tmp_path / "flat.pt")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
