"""A cache in memory, an imported one and an opened one are saved as folders that open as the same cache."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saesteer.cache import LatentCache, cache_latents, cache_of_matrix, overview, read_reference
from saesteer.errors import CorruptFile, InputError
from saesteer.examples import ExampleSettings, Loader
from tests.cache.test_reference import IDS, write
from tests.latents.tiny import sae, sentences


def in_memory(values=(0.5, 2)):
    draw = np.random.default_rng(0)
    matrix = draw.uniform(*values, (600, 20)) * (draw.random((600, 20)) < 0.3)
    ids, starts = draw.integers(0, 9, 600), np.arange(0, 601, 30)
    return cache_of_matrix(
        matrix.astype(np.float32), ids, starts, tuple("abcdefghi"), special_ids=frozenset([0])
    )


def assert_same(one, other):
    assert (one.names, one.strings) == (other.names, other.strings)
    assert one.tokens.special_ids == other.tokens.special_ids
    assert one.tokens.known == other.tokens.known and len(one.tokens) == len(other.tokens)
    for field in ("ids", "starts", "documents", "offsets")[not one.tokens.known :]:
        np.testing.assert_array_equal(getattr(one.tokens, field), getattr(other.tokens, field))
    for name in one.names:
        first, second = one[name], other[name]
        assert (first.name, first.hookpoint) == (second.name, second.hookpoint)
        assert first.values.dtype == second.values.dtype
        for field in ("indptr", "tokens", "values"):
            np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
        for field, expected in vars(first.statistics).items():
            np.testing.assert_array_equal(getattr(second.statistics, field), expected, err_msg=field)
        assert overview(one, name) == overview(other, name)


def test_a_cache_in_memory(tmp_path):
    cache = in_memory()
    saved = cache.save(tmp_path)
    assert_same(cache, saved)
    assert_same(cache, LatentCache.open(saved.about["folder"], "all"))
    settings = ExampleSettings(length=10, min_windows=1, train=2, test=2)
    first, second = (list(Loader(each, settings).records()) for each in (cache, saved))
    assert repr(first) == repr(second) and len(first) == 20


def test_an_imported_cache_with_tokens_and_without(tmp_path):
    write(tmp_path, "layers.0", 0, tokens=None, config={"x": 1})
    write(tmp_path, "layers.1/deep", 1, tokens=None)
    for tokens in (IDS, None):
        cache = read_reference(tmp_path, tokens=tokens)
        saved = cache.save(tmp_path / "saved")
        assert_same(cache, saved)
        assert saved["layers.0"].about["reference"]["config"] == {"x": 1}
    with pytest.raises(InputError, match="no token ids"):
        saved.tokens.ids[0]
    assert len(list((tmp_path / "saved").glob("cache-*"))) == 2


def test_an_opened_cache_keeps_the_names_of_its_documents(lm, tmp_path):
    cache = cache_latents(tmp_path / "one", lm, sae(), sentences(30), context=9)
    saved = cache.save(tmp_path / "two")
    assert_same(cache, saved)
    first, second = (Path(each.about["folder"]) for each in (cache, saved))
    assert (first / "documents.jsonl").read_bytes() == (second / "documents.jsonl").read_bytes()
    assert saved["layers.0"].about == cache["layers.0"].about
    assert {name: each for name, each in saved.about.items() if name != "folder"} == {
        name: each for name, each in cache.about.items() if name != "folder"
    }


def test_an_equal_cache_is_found_and_another_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("saesteer.cache.saving._PIECE", 16)
    folder = in_memory().save(tmp_path).about["folder"]
    times = [each.stat().st_mtime_ns for each in sorted(Path(folder).rglob("*"))]
    assert in_memory().save(tmp_path).about["folder"] == folder
    assert [each.stat().st_mtime_ns for each in sorted(Path(folder).rglob("*"))] == times
    cache = in_memory()
    (table,) = cache.tables.values()
    for other in (
        in_memory((0.5, 3)),
        replace(cache, strings=tuple("abcdefghj")),
        change(cache, values=np.append(table.values[:-1], np.float32(7))),
        replace(cache, tokens=replace(cache.tokens, offsets=cache.tokens.offsets + 1)),
        replace(cache, tables={"other": table}),
    ):
        assert other.save(tmp_path).about["folder"] != folder


def test_a_damaged_byte_of_any_file_is_named(tmp_path):
    folder = Path(in_memory().save(tmp_path).about["folder"])
    files = [each for each in folder.rglob("*") if each.is_file() and each.name != "manifest.json"]
    assert len(files) == 4 + 10 + 3
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        with pytest.raises(CorruptFile, match=path.name):
            LatentCache.open(folder, "all")
        if path.name != "documents.jsonl":  # which opening does not read
            with pytest.raises(CorruptFile, match=path.name):
                LatentCache.open(folder)
        path.write_bytes(whole)


def test_it_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("saesteer.cache.saving.write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        in_memory().save(tmp_path)
    assert not list(tmp_path.glob("cache-*"))
    monkeypatch.undo()
    assert_same(in_memory(), in_memory().save(tmp_path))
    assert not list(tmp_path.glob(".*.partial"))


def change(cache, **fields):
    (table,) = cache.tables.values()
    return replace(cache, tables={"layers.0": replace(table, **fields)})


def test_parts_that_do_not_belong_together(tmp_path):
    cache = in_memory()
    table = cache["layers.0"]
    wrong = table.tokens.copy()
    wrong[5] = 600
    statistics = replace(table.statistics, edges=table.statistics.edges * 2)
    backwards = table.indptr.copy()
    backwards[3] = backwards[2] - 1
    for broken, message in (
        (change(cache, values=table.values[:-1]), "do not belong together"),
        (change(cache, indptr=backwards), "do not belong together"),
        (change(cache, tokens=wrong), "entries beyond the 600 tokens"),
        (change(cache, statistics=statistics), "other edges"),
        (replace(cache, tables={}), "count the same tokens"),
    ):
        with pytest.raises(InputError, match=message):
            broken.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_each_sae_keeps_its_own_single_tokens(tmp_path):
    cache = in_memory()
    dense = np.zeros((600, 20), np.float32)
    dense[cache.tokens.ids == 3, :7] = 1
    tokens = cache.tokens
    other = cache_of_matrix(
        dense, tokens.ids, tokens.starts, cache.strings, "other", tokens.special_ids
    ).tables["other"]
    both = replace(cache, tables={"one": replace(cache["layers.0"], name="one"), "other": other})
    saved = both.save(tmp_path)
    assert saved["other"].single.tolist() == [True] * 7 + [False] * 13
    assert overview(saved, "other").single_token == 0.35 != overview(saved, "one").single_token
