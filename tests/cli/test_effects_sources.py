"""saesteer effects and steer with what was published: from a hub on this machine, then from its cache."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from saesteer.effects import Approximator
from saesteer.steering import load_spec
from tests.cli.tiny import D_SAE, WIDTH
from tests.effects.hub import published, saved
from tests.effects.linear import truth

KNOWN = truth(300, d=WIDTH, d_sae=D_SAE, noise=0.1, seed=1)
FILES = {
    "adapter_2b_layer_12.pt": saved({"W": KNOWN.M, "b": KNOWN.b}),
    "effects_2b.pt": saved({"features": KNOWN.x, "effects": KNOWN.y}),
    "mine.pt": saved({"W": 2 * KNOWN.M, "b": KNOWN.b}),
}
HUB = "downloaded from the hub"
CACHE = "from the local cache"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with published(monkeypatch, tmp_path / "cache", FILES, WIDTH, D_SAE) as asked:
        yield asked


@pytest.fixture
def vector(tmp_path):
    save_file({"v": KNOWN.x[7]}, tmp_path / "v.safetensors")
    return tmp_path / "v.safetensors"


def sources(said):
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out)["sources"]


@pytest.mark.parametrize(
    "line",
    [
        ("fit", "sae_ts/2b", "--out", "OUT"),
        ("evaluate", "sae_ts/2b"),
        ("plot", "sae_ts/2b", "--out", "OUT"),
        ("predict", "sae_ts/2b", "--vector", "VECTOR"),
        ("bias", "sae_ts/2b", "--directions", 20),
    ],
)
def test_nothing_is_asked_for_without_the_word(run, hub, vector, tmp_path, line):
    places = {"OUT": tmp_path / "out", "VECTOR": vector}
    said = run("effects", *(places.get(each, each) for each in line))
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "is not in the local cache and was not downloaded: allow it with --download" in said.err
    assert hub == [] and not (tmp_path / "out").exists()


def test_fit_from_the_hub_then_from_the_cache(run, hub, tmp_path):
    line = ("effects", "fit", "sae_ts/2b", "--json", "--out")
    (about,) = sources(run(*line, tmp_path / "a", "--download"))
    assert about.startswith("effects: ") and HUB in about
    assert any(each.startswith("GET") and each.endswith("effects_2b.pt") for each in hub)
    asked = len(hub)
    (about,) = sources(run(*line, tmp_path / "b"))
    assert CACHE in about and len(hub) == asked
    one, other = (Approximator.load(tmp_path / each) for each in "ab")
    assert torch.equal(one.M, other.M) and (one.M - KNOWN.M).norm() / KNOWN.M.norm() < 0.1


def test_evaluate_and_plot_take_both_files_by_one_name(run, hub, tmp_path):
    said = run("effects", "evaluate", "sae_ts/2b", "--json", "--download")
    effects, approximator = sources(said)
    assert "effects_2b.pt" in effects and "adapter_2b_layer_12.pt" in approximator
    assert HUB in effects and HUB in approximator
    record = json.loads(said.out)
    assert record["compared"] == "compared by all vectors" and record["kinds"][0]["pooled_r2"] > 0.9
    asked = len(hub)
    found = sources(run("effects", "plot", "sae_ts/2b", "--out", tmp_path / "plots", "--json"))
    assert all(CACHE in each for each in found) and len(found) == 2 and len(hub) == asked
    found = sources(run("effects", "evaluate", "sae_ts/2b", "-a", "sae_ts/mine.pt", "--download", "--json"))
    assert "mine.pt" in found[1] and HUB in found[1] and CACHE in found[0]


def test_predict_and_bias_from_the_hub(run, hub, vector):
    line = ("effects", "predict", "sae_ts/2b", "--vector", vector, "--download", "--json")
    said = run(*line, "--run", "sae_ts/2b")
    approximator, effects = sources(said)
    assert HUB in approximator and HUB in effects
    record = json.loads(said.out)
    assert record["raised"][0]["latent"] == int(KNOWN.approximator.predict(KNOWN.x[7]).argmax())
    assert record["measured"]["line"] == 7
    said = run("effects", "bias", "sae_ts/2b", "--directions", 20, "--json")
    assert [CACHE in each for each in sources(said)] == [True]


def test_a_spec_by_published_effects_out_of_the_cache(run, hub, place, tmp_path):
    line = ("steer", "world/sea", "-m", place.model, "--sae", place.sae, "--method", "sae_ts")
    line += ("--latent", 5, "--effects", "sae_ts/2b", "--out", tmp_path / "sea.yaml")
    said = run(*line)
    assert said.code == 2 and "not in the local cache" in said.err and hub == []
    assert run("effects", "bias", "sae_ts/2b", "--download").code == 0
    asked = len(hub)
    assert run(*line).code == 0 and len(hub) == asked
    provenance = load_spec(tmp_path / "sea.yaml").provenance
    assert provenance["latents"] == [[5, 1.0]] and "effects_unverified" in provenance


def test_what_the_hub_has_not_and_another_shape(run, hub, monkeypatch):
    said = run("effects", "evaluate", "sae_ts/9b", "--download")
    assert said.code == 2 and "effects_9b.pt is not in the local cache" in said.err
    assert "the hub has no such file, or cannot be reached" in said.err
    monkeypatch.setenv("SAESTEER_OFFLINE", "1")
    asked = len(hub)
    said = run("effects", "bias", "sae_ts/2b", "--download")
    assert said.code == 2 and "not in the local cache" in said.err and len(hub) == asked
