"""Silent windows that resemble active ones: always silent, and nearer than chance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.cache import cache_of_matrix
from saesteer.errors import CorruptFile, InputError
from saesteer.examples import (
    NEGATIVES,
    EmbeddedWindows,
    LatentId,
    LatentRecord,
    Loader,
    embed_windows,
    neighbours,
    store_embedded,
)
from tests.examples.made import cache, caches, check, small

NAME = "layers.0"
WORDS = {"embedder": "hashed_words"}
STRINGS = ("<bos>", " ship", " wave", " bride", " ring", " the")


def stories(rows=60):
    """Rows of 9 tokens, of the sea and of weddings in turn.

    Latent 1 fires on ships, latent 0 on those of every second row of the sea, latent 2 on the rings of every
    fourth wedding.
    """
    draw = np.random.default_rng(0)
    kinds = np.arange(rows) % 2
    ids = np.where(draw.random((rows, 9)) < 0.5, 5, 1 + 2 * kinds[:, None] + draw.integers(0, 2, (rows, 9)))
    ids[:, 0], ids[:, 1] = 0, 1 + 2 * kinds
    matrix = np.zeros((rows, 9, 3))
    sea = np.arange(rows) % 4
    matrix[sea == 0, :, 0] = (ids == 1)[sea == 0]
    matrix[(sea == 0) | (sea == 2), :, 1] = (ids == 1)[(sea == 0) | (sea == 2)]
    matrix[..., 2] = (ids == 4) & (np.arange(rows) % 8 == 1)[:, None]
    starts = np.arange(rows + 1) * 9
    return cache_of_matrix(matrix.reshape(-1, 3), ids.ravel(), starts, STRINGS, special_ids=frozenset({0}))


@settings(max_examples=40)
@given(caches, st.sampled_from(NEGATIVES.names()), st.sampled_from(["tiled", "centred"]), st.integers(0, 20))
def test_silent_windows_are_silent_whatever_their_source(made, source, form, negatives):
    loader = Loader(made, small(negative_source=source, form=form, negatives=negatives, embedded=7, **WORDS))
    for found in loader.records():
        check(loader, found)
        silent = (*found.silent_train, *found.silent_test)
        busy = {w for e in (*found.train, *found.test) for w in (e.start, e.start + len(e.ids) - 1)}
        assert not any(e.start in busy for e in silent)
        assert found.about["negatives"] == {
            kind: sum(e.kind == kind for e in found.silent_test)
            for kind in {e.kind for e in found.silent_test}
        }


@pytest.mark.parametrize("source", NEGATIVES.names())
def test_as_many_as_asked_for_where_there_are_enough(source):
    loader = Loader(stories(), small(negative_source=source, **WORDS))
    record = loader.record(LatentId(NAME, 0))
    assert (len(record.silent_train), len(record.silent_test)) == (3, 5)


@pytest.mark.parametrize("source", NEGATIVES.names())
def test_all_silent_windows_are_found_where_there_are_few(source):
    loader = Loader(stories(), small(negative_source=source, negatives=500, silent_train=500, **WORDS))
    record = loader.record(LatentId(NAME, 0))
    silent = sum(not any(loader.cache[NAME].latent(0).tokens // 9 == row) for row in range(60))
    assert (len(record.silent_train), len(record.silent_test)) == (-(-silent // 2), silent // 2)


def test_neighbours_give_windows_where_the_like_latent_fires():
    loader = Loader(stories(), small(negative_source="neighbours", neighbours=1))
    record = loader.record(LatentId(NAME, 0))
    fires = set((loader.cache[NAME].latent(1).tokens // 9).tolist())
    for each in (*record.silent_train, *record.silent_test):
        assert each.kind == "neighbour" and each.row in fires
        assert each.similarity == pytest.approx(neighbours(loader.cache, NAME).of(0)[0].similarity)


def test_semantic_windows_are_of_the_same_matter():
    loader = Loader(stories(), small(negative_source="semantic", **WORDS))
    for latent, words in ((0, {" ship", " wave"}), (2, {" bride", " ring"})):
        record = loader.record(LatentId(NAME, latent))
        for each in (*record.silent_train, *record.silent_test):
            assert each.kind == "semantic" and words & set(each.tokens)
            assert -1 <= each.similarity <= 1.0001


def test_mixed_windows_are_a_third_of_each():
    settings_ = small(negative_source="mixed", negatives=6, silent_train=6, **WORDS)
    record = Loader(stories(), settings_).record(LatentId(NAME, 0))
    silent = [each.kind for each in (*record.silent_train, *record.silent_test)]
    assert sorted(silent) == ["neighbour"] * 4 + ["random"] * 4 + ["semantic"] * 4
    assert sorted(record.about["negatives"].values()) == [2, 2, 2]


def test_a_latent_whose_windows_are_not_embedded_still_gets_hard_ones():
    loader = Loader(stories(), small(negative_source="semantic", embedded=12, seed=1, **WORDS))
    records = list(loader.records())
    assert all(isinstance(each, LatentRecord) for each in records)
    alone = replace(loader.settings, embedded=1)
    record = Loader(stories(), alone).record(LatentId(NAME, 2))
    assert {each.kind for each in record.silent_test} <= {"semantic", "random"}
    assert len(record.silent_test) == 5


def test_what_was_embedded_is_kept_and_belongs_to_its_cache(tmp_path):
    made = stories()
    stage = store_embedded(tmp_path, made, 8, "hashed_words")
    assert store_embedded(tmp_path, made, 8, "hashed_words") == stage
    kept = EmbeddedWindows.load(stage)
    chosen = small(negative_source="semantic", **WORDS)
    one, other = (Loader(made, chosen, embedded=each).record(LatentId(NAME, 0)) for each in (None, kept))
    assert [e.start for e in one.silent_test] == [e.start for e in other.silent_test]
    for what in ("length", "embedder"):
        with pytest.raises(InputError, match=what):
            Loader(made, chosen, embedded=replace(kept, about={**kept.about, what: 9}))
    with pytest.raises(InputError, match="cache"):
        Loader(stories(20), chosen, embedded=kept)
    (stage / "windows.safetensors").write_bytes(b"nothing")
    with pytest.raises(CorruptFile, match=r"windows\.safetensors"):
        EmbeddedWindows.load(stage)


def test_progress_is_told_and_few_windows_are_a_random_choice():
    told: list[tuple[int, int]] = []
    found = embed_windows(stories(), 8, "hashed_words", most=10, progress=lambda *at: told.append(at))
    assert told == [(10, 10)] and len(set(found.windows.tolist())) == 10 == len(found.vectors)
    assert found.windows.tolist() != list(range(10))


def test_neighbours_of_another_sae_are_refused():
    with pytest.raises(InputError, match="another SAE"):
        Loader(stories(), small(), neighbours={NAME: neighbours(cache([60] * 5, d_sae=7), NAME)})
