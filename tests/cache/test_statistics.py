"""Statistics against what can be read off the dense matrix."""

from itertools import pairwise

import numpy as np
import pytest

from saesteer.cache import cache_of_matrix, statistics_of
from saesteer.cache.statistics import EDGES

SPECIAL = 7


@pytest.fixture(scope="module")
def case():
    draw = np.random.default_rng(0)
    matrix = np.exp(draw.normal(0, 6, (500, 40))) * (draw.random((500, 40)) < draw.random(40))
    matrix = np.where(draw.random(matrix.shape) < 0.05, -matrix, matrix).astype(np.float32)
    matrix[:, 5] = 0
    matrix[:100, 0] = np.repeat(EDGES, 2)[:100].astype(np.float32)  # on the edges themselves
    ids = draw.integers(0, 10, 500)
    starts = np.concatenate([[0], np.sort(draw.choice(np.arange(1, 500), 30, replace=False)), [500]])
    cache = cache_of_matrix(matrix, ids, starts, ("a",) * 10, special_ids=frozenset([SPECIAL]))
    return np.where((ids != SPECIAL)[:, None], matrix, 0), ids, starts, cache


def test_they_are_those_of_the_matrix(case):
    matrix, ids, starts, cache = case
    found = cache["layers.0"].statistics
    wide = matrix.astype(np.float64)
    np.testing.assert_array_equal(found.count, (matrix != 0).sum(0))
    np.testing.assert_allclose(found.sum, wide.sum(0), rtol=1e-12)
    np.testing.assert_allclose(found.squares, (wide**2).sum(0), rtol=1e-12)
    np.testing.assert_array_equal(found.max, wide.max(0))
    rows = sum((matrix[low:high] != 0).any(0).astype(int) for low, high in pairwise(starts))
    np.testing.assert_array_equal(found.rows, rows)
    assert found.tokens == (ids != SPECIAL).sum()
    for latent in range(40):
        values = np.clip(wide[:, latent][matrix[:, latent] != 0], EDGES[0], np.nextafter(EDGES[-1], 0))
        place = np.searchsorted(EDGES, values, side="right") - 1
        np.testing.assert_array_equal(found.histogram[latent], np.bincount(place, minlength=len(EDGES) - 1))


def test_entries_may_come_in_any_order(case):
    *_, cache = case
    table = cache["layers.0"]
    latent = np.repeat(np.arange(table.d_sae), np.diff(table.indptr))
    order = np.random.default_rng(1).permutation(len(latent))
    found = statistics_of(latent[order], table.tokens[order], table.values[order], cache.tokens, table.d_sae)
    for name, expected in vars(table.statistics).items():
        np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)
