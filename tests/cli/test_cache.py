"""saesteer cache."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from saesteer.cache import LatentCache, write_reference
from saesteer.cli.main import main
from tests.cli.tiny import D_SAE, LAYERS


def test_a_cache_of_a_file_and_its_table(run, place, tmp_path):
    line = ("cache", place.model, "--sae", place.sae, "--texts", place.texts, "--out", tmp_path)
    said = run(*line)
    assert (said.code, said.err) == (0, "")
    folder = next(tmp_path.glob("cache-*"))
    assert f"cache: {folder}" in said.out and "tokens of 12 documents" in said.out
    cache = LatentCache.open(folder, "all")
    assert cache.names == (f"layers.{LAYERS - 1}",) and cache["layers.3"].d_sae == D_SAE
    again = json.loads(run(*line, "--json").out)
    assert again["folder"] == str(folder) and again["tokens"] == len(cache.tokens)
    assert again["tokens_per_second"] is None and again["saes"][0]["entries"] == len(cache["layers.3"].tokens)
    assert "found finished" in run(*line).out


def test_several_saes_by_name_and_filters(run, place, tmp_path):
    said = run(
        *("cache", place.model, "--sae", f"one={place.sae}", "--sae", f"other={place.sae}"),
        *("--texts", place.texts, "--out", tmp_path, "--tokens", 300, "--latents", "one=0-9"),
        *("--latents", "one=20", "--density", "0.01,0.5", "--dtype", "float32", "--context", 32, "--json"),
    )
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    cache = LatentCache.open(record["folder"])
    assert record["tokens"] == len(cache.tokens) <= 300 and np.diff(cache.tokens.starts).max() == 32
    assert set(cache["one"].kept) == {each for each in cache["other"].kept if each < 10 or each == 20}
    density = cache["other"].statistics.density[cache["other"].kept]
    assert density.min() >= 0.01 and density.max() <= 0.5
    assert cache["one"].values.dtype == np.float32


@pytest.mark.slow
def test_the_world_has_its_own_stories(run, tmp_path):
    said = run("cache", "world", "--sae", "world/layers.3", "--tokens", 2000, "--out", tmp_path, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert 1990 <= record["tokens"] <= 2000 and record["documents"] > 5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "there are no texts for the model"),
        (["--texts", "none.txt"], "there is no file none.txt"),
        (["--texts", "TEXTS", "--density", "0.5"], "--density is LOW,HIGH"),
        (["--texts", "TEXTS", "--density", "0.5,0.1"], "density is a lowest and a highest share"),
        (["--texts", "TEXTS", "--latents", "7-"], "--latents are numbers and ranges"),
        (["--texts", "TEXTS", "--latents", "64"], "latents of layers.3 are 0 to 63"),
        (["--texts", "TEXTS", "--latents", "0-9999999999999999999"], "are 0 to 63, got 64"),
        (["--texts", "TEXTS", "--latents", "7,5-2"], "--latents goes up, such as 100-199, got '5-2'"),
        (["--texts", "TEXTS", "--latents", "x=1"], "latents are given for 'x'"),
        (["--texts", "TEXTS", "--at", "x=layers.1"], "--at is for 'x'"),
        (["--texts", "TEXTS", "--at", "layers.1"], "was trained at layers.3"),
        (["--texts", "TEXTS", "--at", "layers.3", "--at", "layers.1"], "and layers.1 are both for the SAE"),
        (["--texts", "TEXTS", "--at", "a=layers.3", "--at", "a=layers.3"], "and layers.3 are both for a"),
        (["--texts", "TEXTS", "--at", "layers.3=layers.3", "--at", "layers.1"], "2 times for one SAE"),
        (["--texts", "TEXTS", "--dtype", "float8"], "dtype is one of"),
        (["--texts", "TEXTS", "--sae", "SAE"], "two SAEs are called 'layers.3'"),
        (["--texts", "TEXTS", "--sae", "b=SAE", "--latents", "1"], "so --latents is NAME=VALUE"),
        (["--texts", "TEXTS", "--sae", "b=WRONG"], "d_in is 64"),
        (["--texts", "TEXTS", "--sae", "b="], "--sae is VALUE or NAME=VALUE"),
    ],
)
def test_what_cannot_be_meant(run, place, tmp_path, more, message):
    names = {"TEXTS": str(place.texts), "SAE": place.sae, "WRONG": place.wrong_sae}
    for name, path in names.items():
        more = [each.replace(name, path) for each in more]
    said = run("cache", place.model, "--sae", place.sae, "--out", tmp_path, *more)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert message in said.err


@pytest.fixture
def theirs(place, tmp_path):
    """A cache of the tiny model in the reference's layout, without its tokens; and the tokens."""
    line = ("cache", place.model, "--sae", place.sae, "--texts", place.texts, "--out", tmp_path / "own")
    assert main(list(map(str, line))) == 0
    cache = LatentCache.open(next((tmp_path / "own").glob("cache-*")))
    write_reference(cache, tmp_path / "theirs", splits=2)
    for path in (tmp_path / "theirs").rglob("*.safetensors"):
        held = load_file(path)
        ids = held.pop("tokens")
        save_file(held, path)
    np.save(tmp_path / "ids.npy", ids)
    return cache, tmp_path / "theirs", tmp_path / "ids.npy"


def test_an_import_with_the_tokens_of_a_file_and_without(run, place, theirs, tmp_path):
    cache, folder, ids = theirs
    bare = run("cache", "--import", folder, "--out", tmp_path / "bare")
    assert (bare.code, bare.err) == (0, "") and "imported" in bare.out
    found = LatentCache.open(next((tmp_path / "bare").glob("cache-*")), "all")
    assert not found.tokens.known
    np.testing.assert_array_equal(found["layers.3"].tokens, cache["layers.3"].tokens)
    line = ("cache", place.model, "--import", folder, "--ids", ids, "--hookpoint", "layers.3")
    record = json.loads(run(*line, "--out", tmp_path / "full", "--json").out)
    full = LatentCache.open(record["folder"])
    np.testing.assert_array_equal(full.tokens.ids, cache.tokens.ids)
    assert full.strings == cache.strings and record["saes"][0]["single_token"] is not None
    assert (
        json.loads(run("cache", "--import", folder, "-o", tmp_path, "--json").out)["saes"][0]["single_token"]
        is None
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sae", "x"], "--sae has no meaning beside --import"),
        (["--tokens", "7"], "--tokens has no meaning"),
        (["--ids", "none.npy"], "there is no file none.npy"),
        (["--hookpoint", "layers.7"], "unknown hookpoint of the folder 'layers.7'"),
    ],
)
def test_an_import_that_cannot_be_meant(run, theirs, tmp_path, more, message):
    said = run("cache", "--import", theirs[1], "--out", tmp_path / "out", *more)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert message in said.err


def test_a_pass_needs_a_model_and_an_sae(run, place, tmp_path):
    for line, message in (
        ([], "MODEL is missing; give MODEL and --sae, or --import FOLDER"),
        ([place.model], "--sae is missing"),
        ([place.model, "--sae", place.sae, "--ids", "x.npy"], "--ids has a meaning only beside --import"),
        (["--import", tmp_path], "holds no latents of the reference"),
    ):
        said = run("cache", *line, "--out", tmp_path / "out")
        assert (said.code, said.out) == (2, "") and message in said.err
