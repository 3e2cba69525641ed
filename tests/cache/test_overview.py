"""How many latents live, fire often and stand for one token: against loops over the dense matrix."""

import numpy as np
import pytest

from saesteer.cache import LatentCache, cache_latents, cache_of_matrix, overview
from saesteer.cache.single_token import single_token
from saesteer.errors import CorruptFile
from saesteer.runs import read_json, sha256_file, write_json
from tests.latents.tiny import sae, sentences


def small(columns, ids):
    matrix = np.array(columns, dtype=np.float32).T
    return cache_of_matrix(matrix, np.array(ids), np.array([0, len(ids)]), ("a",) * 10)


def singles(cache, name="layers.0"):
    table = cache[name]
    return single_token(np.asarray(cache.tokens.ids), table.indptr, table.tokens, table.values)


def stands_for_one(column, ids):
    """Whatever the order of equal values: no choice of the stronger half has a second token."""
    entries = sorted(np.flatnonzero(column).tolist(), key=lambda each: -column[each])
    half = -(-len(entries) // 2)
    if len(entries) < 2:
        return False
    return len({int(ids[each]) for each in entries if column[each] >= column[entries[half - 1]]}) == 1


def test_the_stronger_half_decides():
    ids = [1, 2, 1, 3, 1, 4]
    cache = small(
        [
            [5, 0.1, 4, 0, 0, 0.2],  # 4 entries: the two strongest are at token 1
            [5, 4.5, 4, 0, 0, 0],  # 3 entries, rounded up to 2: tokens 1 and 2
            [0, 0, 0, 7, 0, 0],  # one entry says nothing
            [0, 0, 0, 0, 0, 0],
            [1, 0, 1, 0, 1, 0],  # all at token 1
        ],
        ids,
    )
    assert singles(cache).tolist() == [True, False, False, False, True]
    found = overview(cache, "layers.0")
    assert (found.latents, found.alive, found.single_token) == (5, 0.8, 0.4)


@pytest.mark.parametrize("block", [1, 7, 50, 10**6])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_loops_find(seed, block, monkeypatch):
    """In blocks of many latents, and where one latent is longer than a block."""
    draw = np.random.default_rng(seed)
    n, d = 300, 60
    matrix = draw.integers(1, 40, (n, d)) * (draw.random((n, d)) < 10 ** draw.uniform(-3, 0, d))
    ids = draw.integers(0, 3, n)
    cache = cache_of_matrix(matrix.astype(np.float32), ids, np.array([0, n]), ("a",) * 3)
    monkeypatch.setattr("saesteer.cache.single_token._ENTRIES", block)
    matrix[:, :9] *= 10 * (np.arange(9) % 3 == ids[:, None]) + 1  # some are of one token
    expected = []
    for column in matrix.astype(np.float32).T:
        expected.append(stands_for_one(column, ids))
    assert singles(cache).tolist() == expected and any(expected)
    found, density = overview(cache, "layers.0"), (matrix > 0).mean(0)
    assert found.alive == pytest.approx((density > 0).mean())
    assert found.above_1 == pytest.approx((density > 0.01).mean())
    assert found.above_10 == pytest.approx((density > 0.1).mean())


@pytest.fixture(scope="module")
def made(lm, tmp_path_factory):
    ids = np.random.default_rng(0).integers(4, 23, (3000, 60))  # values are larger than a block of the hashes
    return cache_latents(tmp_path_factory.mktemp("made"), lm, sae(), ids, dtype="float32", run_tokens=50_000)


def test_it_is_kept_with_the_cache(made):
    """And entries are not read for it: that their file is damaged is not noticed."""
    np.testing.assert_array_equal(made["layers.0"].single, singles(made))
    expected = overview(made, "layers.0")
    path = made.about["folder"] + "/saes/0/values.npy"
    with open(path, "r+b") as file:
        file.seek(-10, 2)
        last = file.read(1)
        file.seek(-10, 2)
        file.write(bytes([last[0] ^ 1]))
    cache = LatentCache.open(made.about["folder"])
    assert overview(cache, "layers.0") == expected
    with pytest.raises(CorruptFile, match=r"values\.npy"):
        np.asarray(cache["layers.0"].values)
    with open(path, "r+b") as file:
        file.seek(-10, 2)
        file.write(last)


def test_a_cache_that_was_made_before_is_counted(lm, tmp_path):
    made = cache_latents(tmp_path, lm, sae(), sentences(200, words=["sea", "ship"]), context=9)
    folder = next(tmp_path.glob("cache-*"))
    expected = overview(made, "layers.0")
    index, manifest = read_json(folder / "cache.json"), read_json(folder / "manifest.json")
    (folder / "saes/0/single.npy").unlink()
    del index["files"]["saes/0/single.npy"], manifest["outputs"]["saes/0/single.npy"]
    write_json(folder / "cache.json", index)
    manifest["outputs"]["cache.json"] = sha256_file(folder / "cache.json")
    write_json(folder / "manifest.json", manifest)
    older = LatentCache.open(folder, "all")
    assert older["layers.0"].single is None and overview(older, "layers.0") == expected
    assert 0 < expected.single_token < 1
