"""A path, the run folder, the cache, then the hub where it is allowed: against a hub on this machine."""

from __future__ import annotations

import pytest
import torch

from saesteer.effects import find_source, fit, load_approximator, open_effects
from saesteer.effects.published import write_adapter
from saesteer.effects.sources import open_approximator
from saesteer.errors import InputError, ShapeMismatch, UnknownName
from tests.effects.hub import published, saved
from tests.effects.linear import truth

KNOWN = truth(60)


FILES = {
    "adapter_2b_layer_12.pt": saved({"W": KNOWN.M, "b": KNOWN.b}),
    "adapter_9b_layer_12.pt": saved({"W": KNOWN.M[:5], "b": KNOWN.b}),
    "effects_2b.pt": saved({"features": KNOWN.x, "effects": KNOWN.y}),
    "turn.pt": saved(torch.eye(6)),
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with small files under the published names, and an empty cache; the paths asked for."""
    with published(monkeypatch, tmp_path / "cache", FILES, 6, 11) as asked:
        yield asked


def test_nothing_is_fetched_unless_it_is_allowed(hub):
    with pytest.raises(InputError, match="not in the local cache and was not downloaded: allow it with"):
        load_approximator("sae_ts/2b")
    assert hub == []


def test_the_hub_then_the_cache(hub):
    found = find_source("approximator", "sae_ts/2b", download=True)
    assert found.origin == "hub" and "downloaded from the hub" in found.about
    assert any(each.startswith("GET") and "adapter_2b_layer_12.pt" in each for each in hub)
    assert torch.equal(open_approximator(found).M, KNOWN.M)
    asked = len(hub)
    for download in (False, True):
        again = find_source("approximator", "sae_ts/2b", download=download)
        assert (again.origin, again.path) == ("cache", found.path)
    assert "unverified" in load_approximator("sae_ts/2b").provenance
    assert len(hub) == asked


def test_effects_and_other_files_of_the_data_set(hub):
    effects = open_effects(find_source("effects", "sae_ts/2b", download=True))
    assert torch.equal(next(effects.chunks()).effects, KNOWN.y)
    assert find_source("rotation", "sae_ts/turn.pt", download=True).path.name == "turn.pt"
    with pytest.raises(InputError, match="the hub has no such file"):
        find_source("rotation", "sae_ts/other.pt", download=True)
    with pytest.raises(InputError, match="does not say which file is its rotation"):
        find_source("rotation", "sae_ts/2b", download=True)
    for name in ("sae_ts/3b", "sae_ts/a/b.pt"):
        with pytest.raises(UnknownName, match="sae_ts/2b, sae_ts/9b"):
            find_source("effects", name, download=True)


def test_a_file_of_another_shape_than_its_models(hub):
    with pytest.raises(
        ShapeMismatch, match=r"sae_ts/9b is of google/gemma-2-9b, so \[6, 11\], but .* is \[5, 11\]"
    ):
        load_approximator("sae_ts/9b", download=True)


def test_offline_the_hub_is_not_asked(hub, monkeypatch):
    monkeypatch.setenv("SAESTEER_OFFLINE", "1")
    with pytest.raises(InputError, match="not in the local cache"):
        load_approximator("sae_ts/2b", download=True)
    assert hub == []


def test_a_path_wins_over_the_run_and_the_run_over_the_published(hub, tmp_path):
    run, other = tmp_path / "run", tmp_path / "other.pt"
    (run).mkdir()
    write_adapter(other, truth(seed=3).approximator)
    find_source("approximator", "sae_ts/2b", download=True)
    nothing = find_source("approximator", run=run, name="sae_ts/2b")
    assert nothing.origin == "cache"
    write_adapter(run / "adapter.pt", truth(seed=2).approximator)
    fit(KNOWN.chunks).save(run / "approximator")
    assert find_source("approximator", run=run, name="sae_ts/2b").path == run / "approximator"
    found = find_source("approximator", other, run, "sae_ts/2b")
    assert (found.origin, found.path) == ("given", other) and "as given" in found.about
    (run / "approximator" / "approximator.json").unlink()
    found = find_source("approximator", run=run)
    assert (found.origin, found.path) == ("run", run / "adapter.pt") and "of the run" in found.about
    torch.save(KNOWN.x, run / "used_features.pt")
    torch.save(KNOWN.y, run / "all_effects.pt")
    found = find_source("effects", run=run)
    assert found.origin == "run" and len(list(open_effects(found).chunks())) == 1


def test_nothing_anywhere(tmp_path):
    with pytest.raises(InputError, match="there is no file or folder"):
        load_approximator(tmp_path / "nothing")
    with pytest.raises(InputError, match="no approximator was given and there is none in"):
        find_source("approximator", run=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no approximator\.json"):
        load_approximator(tmp_path / "empty")


def test_an_approximator_is_itself():
    found = KNOWN.approximator
    assert load_approximator(found) is found
