"""Which windows each sampler takes, told by their scores alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import SAMPLERS, Pool
from saesteer.examples.samplers import allotted, strongest_first

PARTS = 5


def pool(scores, parts=PARTS):
    scores = np.sort(np.array(scores, np.float32))[::-1]
    return Pool(scores, np.arange(len(scores))[::-1] * parts // max(1, len(scores)), parts)


def drawn(name, given_, n, seed=0):
    return SAMPLERS.get(name)(given_, n, np.random.default_rng(seed))


@given(
    st.lists(st.integers(1, 30), max_size=60),
    st.integers(0, 70),
    st.sampled_from(SAMPLERS.names()),
    st.integers(0, 3),
)
def test_every_sampler_gives_different_windows_and_as_many_as_there_are(scores, n, name, seed):
    found = drawn(name, pool(scores), n, seed)
    assert len(set(found.tolist())) == len(found) == min(n, len(scores))
    assert all(0 <= each < len(scores) for each in found)


def test_top_takes_the_strongest_and_even_goes_through_all():
    assert drawn("top", pool(range(1, 101)), 7).tolist() == list(range(7))
    assert drawn("even", pool(range(1, 101)), 4).tolist() == [12, 37, 62, 87]


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_take_as_many_from_each_part_and_the_rest_from_the_strongest(seed):
    given_ = pool(range(1, 101))
    counts = np.bincount(given_.quantile[drawn("quantiles", given_, 12, seed)], minlength=PARTS)
    assert counts.tolist() == [2, 2, 2, 3, 3]


def test_quantiles_fill_up_where_a_part_is_used_up():
    given_ = pool(range(1, 101))
    rest, places = given_.without(np.arange(19))
    counts = np.bincount(rest.quantile[drawn("quantiles", rest, 20)], minlength=PARTS)
    assert counts[PARTS - 1] == 1 and counts.sum() == 20 and counts[:-1].min() >= 4
    assert places.tolist() == list(range(19, 100))


def test_mix_takes_a_fifth_from_the_top():
    found = drawn("mix", pool(range(1, 101)), 20)
    assert set(range(4)) <= set(found.tolist())
    counts = np.bincount(pool(range(1, 101)).quantile[found[4:]], minlength=PARTS)
    assert counts.max() - counts.min() <= 1


def test_bins_are_of_equal_width():
    scores = [*np.linspace(0.1, 1.9, 90), 3, 3.5, 5, 5.5, 7, 7.5, 9, 9.5, 9.8, 10]
    given_ = pool(scores)
    found = given_.scores[drawn("bins", given_, 10)]
    edges = np.linspace(0.1, 10, PARTS + 1)
    assert np.histogram(found, edges)[0].tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("name", ["random", "quantiles", "bins"])
def test_every_window_may_be_drawn(name):
    given_ = pool(range(1, 41))
    seen = {each for seed in range(300) for each in drawn(name, given_, 10, seed).tolist()}
    assert seen == set(range(40))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 60))
def test_shares_are_as_equal_as_the_parts_allow(sizes, n):
    sizes = np.array(sizes)
    given_ = allotted(sizes, n)
    assert given_.sum() == min(n, sizes.sum()) and (given_ <= sizes).all()
    open_ = given_ < sizes
    assert not open_.any() or given_.max() - given_[open_].min() <= 1


@given(st.lists(st.floats(2**-60, 2**60, width=32) | st.sampled_from([0.5, 1.0, 1.5]), max_size=50))
def test_the_order_of_strength_is_that_of_a_stable_sort(scores):
    scores = np.array(scores, np.float32)
    assert strongest_first(scores).tolist() == np.argsort(-scores, kind="stable").tolist()
