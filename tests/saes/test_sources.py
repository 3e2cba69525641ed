"""Names: registered ones, paths, releases, the hub's (out of its local cache, which is made here)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import huggingface_hub.errors
import pytest

from saesteer.errors import CorruptFile, InputError, NotAnSAE, UnknownName
from saesteer.saes import load_sae, recognise
from saesteer.saes.loaders import catalogue
from tests.saes.foreign import MADE, Made

REVISION = "0123456789abcdef0123456789abcdef01234567"
CATALOGUE = """
tiny-res:
  repo_id: someone/tiny-saes
  model: tiny-model
  conversion_func: null
  config_overrides: {dataset_path: some/data, hook_name: layers.9, model_from_pretrained_kwargs: {a: 1}}
  saes:
  - {id: blocks.2/res, path: at/blocks.2, neuronpedia: tiny/2}
  - {id: scaled, path: scaled, norm_scaling_factor: 0.5}
tiny-scope:
  repo_id: google/gemma-scope-2b-pt-res
  model: gemma-2-2b
  conversion_func: gemma_2
  saes:
  - {id: layer_20/width_16k/canonical, path: layer_20/width_16k/average_l0_71}
tiny-odd:
  repo_id: someone/odd
  model: tiny-model
  conversion_func: temporal
  saes:
  - {id: one, path: one}
"""


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, without network."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("SAESTEER_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def releases(tmp_path, monkeypatch) -> None:
    """A catalogue of our own making instead of the installed one."""
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    monkeypatch.setattr(catalogue, "_installed", lambda: tmp_path / "catalogue.yaml")
    catalogue._releases.cache_clear()
    yield
    catalogue._releases.cache_clear()


def stored(hub: Path, repo: str, folder: str, made: Made) -> Path:
    """The files of an SAE as the hub's client keeps them."""
    root = hub / ("models--" + repo.replace("/", "--"))
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(REVISION)
    place = root / "snapshots" / REVISION / folder
    if made.path.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made.path, place)
    else:
        shutil.copytree(made.path, place, dirs_exist_ok=True)
    return place


@pytest.mark.parametrize("name", ["sae_lens-topk", "sparsify-transcoder", "gemma_scope_2-sae", "scar-topk"])
@pytest.mark.parametrize("folder", ["", "layers.4.mlp", "a/layers.4.mlp"])
def test_a_folder_of_the_hub(hub, tmp_path, name, folder):
    made = MADE[name](tmp_path / "made")
    stored(hub, "owner/repo", folder, made)
    full = f"owner/repo/{folder}".rstrip("/")
    found = recognise(full)
    assert (found.format, found.hub) == (name.partition("-")[0], full)
    sae = load_sae(full)
    assert sae.fingerprint() == load_sae(made.path).fingerprint()
    assert sae.cfg.metadata["hub"] == full


def test_a_file_of_the_hub(hub, tmp_path):
    made = MADE["openai-v5"](tmp_path / "made")
    stored(hub, "owner/repo", "resid_post_attn_v5_32k/autoencoders/7.pt", made)
    sae = load_sae("owner/repo/resid_post_attn_v5_32k/autoencoders/7.pt")
    assert (sae.cfg.hook_name, sae.cfg.k) == ("layers.7.mid", 5)


def test_of_scar_only_the_shards_with_the_sae_are_fetched(hub, tmp_path):
    made = MADE["scar-topk"](tmp_path / "made")
    place = stored(hub, "AIML-TUDA/SCAR", "", made)
    index = place / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    places["lm_head.weight"] = "model-00003-of-00003.safetensors"  # which is not there
    index.write_text(json.dumps({"weight_map": places}))
    assert load_sae("AIML-TUDA/SCAR").cfg.hook_name == "layers.2.mlp"
    (place / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(NotAnSAE, match=r"has no model-00001-of-00002\.safetensors, which its index names"):
        load_sae("AIML-TUDA/SCAR")


def test_a_parents_config_comes_along(hub, tmp_path):
    made = MADE["sparsify-sae"](tmp_path / "made")
    place = stored(hub, "owner/repo", "layers.4.mlp", made)
    shutil.copy(tmp_path / "made" / "config.json", place.parent)
    assert load_sae("owner/repo/layers.4.mlp").cfg.model_name == "some/model"


def test_gemma_scope_knows_its_place_by_the_hubs_name(hub, tmp_path):
    made = MADE["gemma_scope-res"](tmp_path / "made")
    stored(hub, "google/gemma-scope-9b-it-res", "layer_31/width_16k/average_l0_14", made)
    cfg = load_sae("google/gemma-scope-9b-it-res/layer_31/width_16k/average_l0_14").cfg
    assert (cfg.hook_name, cfg.model_name) == ("layers.31", "google/gemma-2-9b-it")


def test_an_sae_of_a_release(hub, releases, tmp_path):
    made = MADE["sae_lens-topk"](tmp_path / "made")
    stored(hub, "someone/tiny-saes", "at/blocks.2", made)
    sae = load_sae("tiny-res/blocks.2/res")
    assert sae.fingerprint() == load_sae(made.path).fingerprint()
    assert (sae.cfg.hook_name, sae.cfg.model_name) == ("layers.9", "tiny-model")  # the catalogue knows better
    notes = sae.cfg.metadata
    assert (notes["dataset_path"], notes["neuronpedia_id"]) == ("some/data", "tiny/2")
    found = recognise("tiny-res/blocks.2/res")
    assert (found.format, found.hub) == ("sae_lens", "someone/tiny-saes/at/blocks.2")


def test_a_release_in_another_format(hub, releases, tmp_path):
    made = MADE["gemma_scope-res"](tmp_path / "made")
    stored(hub, "google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71", made)
    cfg = load_sae("tiny-scope/layer_20/width_16k/canonical").cfg
    assert (cfg.hook_name, cfg.model_name) == ("layers.20", "google/gemma-2-2b")


def test_the_factor_of_a_release(hub, releases, tmp_path, x):
    made = MADE["sae_lens-topk"](tmp_path / "made")
    path = made.path / "cfg.json"
    path.write_text(path.read_text().replace('"none"', '"expected_average_only_in"', 1))
    stored(hub, "someone/tiny-saes", "scaled", made)
    sae, plain = load_sae("tiny-res/scaled"), load_sae(made.path)
    assert sae.cfg.normalize_activations == "none"
    assert (sae.encode(x) - plain.encode(0.5 * x)).abs().max() < 1e-4
    assert (sae(x) - 2 * plain(0.5 * x)).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "tiny-res/blocks.3/res",
            UnknownName,
            "unknown SAE of tiny-res 'blocks.3/res'; did you mean 'blocks.2",
        ),
        ("tiny-odd/one", InputError, "is of the format 'temporal', which cannot be read; one of dictionary"),
        ("tiny-res/blocks.2/res", NotAnSAE, "in the local cache, where alone .* has none of the files"),
        ("owner/repo/layers.1", NotAnSAE, "nor is 'owner' a release in the catalogue of sae_lens"),
        ("world/layers.9", NotAnSAE, "did you mean 'world/layers"),
        ("nothing", NotAnSAE, "nor is there a folder"),
        ("./nothing/here", NotAnSAE, "nor is there a folder"),
        ("owner/re po", InputError, "no name of a repository|none of the files"),
    ],
)
def test_names_that_are_nothing(hub, releases, name, error, message):
    with pytest.raises(error, match=message) as caught:
        load_sae(name)
    assert "\n" not in str(caught.value)


def test_without_leave_nothing_is_downloaded(hub, monkeypatch):
    monkeypatch.setenv("SAESTEER_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("saesteer.saes.hub.hub_unknown", lambda: False)
    asked = []

    def client(repo: str, file: str, **options: object) -> str:
        asked.append(options["local_files_only"])
        raise huggingface_hub.errors.EntryNotFoundError(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", client)
    for download in (False, True):
        asked.clear()
        with pytest.raises(NotAnSAE, match="has none of the files"):
            load_sae("owner/repo/layers.1", download=download)
        assert set(asked) == {not download}


def test_the_catalogue_of_our_own(monkeypatch):
    monkeypatch.setattr(catalogue, "_installed", lambda: None)
    catalogue._releases.cache_clear()
    try:
        assert catalogue.split("gpt2-small-res-jb/blocks.8.hook_resid_pre") is not None
        found = catalogue.entry("gemma-scope-2b-pt-res-canonical", "layer_20/width_16k/canonical")
        assert (found.repo, found.format) == ("google/gemma-scope-2b-pt-res", "gemma_scope")
        assert found.folder == "layer_20/width_16k/average_l0_71"
        assert "install sae_lens" in catalogue.whose() and len(catalogue.names()) > 4
        for name in catalogue.names():
            assert all(catalogue.entry(name, str(each["id"])) for each in catalogue._releases()[name]["saes"])
    finally:
        catalogue._releases.cache_clear()


def test_a_broken_catalogue(tmp_path):
    path = tmp_path / "catalogue.yaml"
    for text in ("a: [", "- 1"):
        path.write_text(text)
        with pytest.raises(CorruptFile, match="install sae_lens anew"):
            catalogue._parsed(path)


@pytest.mark.slow
def test_ours_says_the_same_as_theirs_where_it_is_installed():
    theirs = catalogue._installed()
    if theirs is None:
        pytest.skip("sae_lens is not installed")
    whole = catalogue._parsed(theirs)
    for name, ours in catalogue._parsed(catalogue._OURS).items():
        same = {str(each["id"]): each["path"] for each in whole[name]["saes"]}
        assert {str(each["id"]): each["path"] for each in ours["saes"]} == same
        assert all(ours[key] == whole[name][key] for key in ("repo_id", "model", "conversion_func"))
