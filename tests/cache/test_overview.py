"""How many latents live, fire often and stand for one token: against loops over the dense matrix."""

import numpy as np
import pytest

from saesteer.cache import cache_of_matrix, overview
from saesteer.cache.summary import single_token


def small(columns, ids):
    matrix = np.array(columns, dtype=np.float32).T
    return cache_of_matrix(matrix, np.array(ids), np.array([0, len(ids)]), ("a",) * 10)


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
    assert single_token(cache, cache["layers.0"]).tolist() == [True, False, False, False, True]
    found = overview(cache, "layers.0")
    assert (found.latents, found.alive, found.single_token) == (5, 0.8, 0.4)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_loops_find(seed, monkeypatch):
    draw = np.random.default_rng(seed)
    n, d = 300, 60
    matrix = draw.random((n, d)) * (draw.random((n, d)) < 10 ** draw.uniform(-3, 0, d))
    ids = draw.integers(0, 3, n)
    cache = cache_of_matrix(matrix.astype(np.float32), ids, np.array([0, n]), ("a",) * 3)
    monkeypatch.setattr("saesteer.cache.summary._ENTRIES", 50)  # many blocks
    expected = []
    for column in matrix.astype(np.float32).T:
        strongest = np.argsort(-column, kind="stable")[: -(-np.count_nonzero(column) // 2)]
        expected.append(np.count_nonzero(column) >= 2 and len(set(ids[strongest].tolist())) == 1)
    assert single_token(cache, cache["layers.0"]).tolist() == expected and any(expected)
    found, density = overview(cache, "layers.0"), (matrix > 0).mean(0)
    assert found.alive == pytest.approx((density > 0).mean())
    assert found.above_1 == pytest.approx((density > 0.01).mean())
    assert found.above_10 == pytest.approx((density > 0.1).mean())
