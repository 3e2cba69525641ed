"""Grids and the forms of windows, against what a reader would do by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.cache import Entries
from saesteer.examples import WINDOWS, Grid
from tests.examples.made import BOS, END, cache, caches, dense

LENGTHS = st.integers(1, 40)
NAME = "layers.0"


def tiles(made, length):
    """The grid, token by token."""
    special, found = {BOS, END}, []
    for low, high in zip(made.tokens.starts[:-1], made.tokens.starts[1:], strict=True):
        at = low
        while at < high:
            if made.tokens.ids[at] in special:
                at += 1
                continue
            stop = at
            while stop < min(high, at + length) and made.tokens.ids[stop] not in special:
                stop += 1
            found.append((int(at), int(stop)))
            at = stop
    return found


@given(caches, LENGTHS)
def test_the_grid_is_what_reading_token_by_token_gives(made, length):
    grid = Grid.of(made.tokens, length)
    expected = tiles(made, length)
    assert list(zip(*(each.tolist() for each in grid.bounds(np.arange(len(grid)))), strict=True)) == expected
    tokens = np.array([token for low, high in expected for token in range(low, high)], np.int64)
    owners = [number for number, (low, high) in enumerate(expected) for _ in range(low, high)]
    assert grid.window_of(tokens).tolist() == owners
    assert [int(grid.window_of(tokens[i : i + 1])[0]) for i in range(len(tokens))] == owners


@given(caches, LENGTHS)
def test_tiled_windows_are_those_of_the_grid_that_hold_an_entry(made, length):
    true, grid = dense(made, 0), Grid.of(made.tokens, length)
    found = WINDOWS.get("tiled")(grid, made[NAME].latent(0))
    expected = [
        (low, high, true[low:high].max()) for low, high in tiles(made, length) if true[low:high].any()
    ]
    assert list(zip(found.starts, found.stops, found.scores, strict=True)) == expected


def centred_by_hand(made, length):
    """Peaks one after the other, the strongest first."""
    true, grid = dense(made, 0), Grid.of(made.tokens, length)
    chosen = []
    for token in sorted(np.flatnonzero(true), key=lambda each: (-true[each], each)):
        stretch = int(np.searchsorted(grid.starts, token, side="right")) - 1
        low, high = grid.starts[stretch], grid.stops[stretch]
        start = max(low, min(token - min(length - length // 4, length - 1), high - length))
        stop = min(start + length, high)
        if true[start:stop].max() == true[token] and all(stop <= a or b <= start for a, b, _ in chosen):
            chosen.append((start, stop, true[token]))
    return sorted(chosen)


@given(caches, LENGTHS)
def test_centred_windows_are_those_of_a_greedy_choice(made, length):
    found = WINDOWS.get("centred")(Grid.of(made.tokens, length), made[NAME].latent(0))
    assert list(zip(found.starts, found.stops, found.scores, strict=True)) == centred_by_hand(made, length)


def test_a_peak_stands_where_it_should_and_is_shifted_at_the_ends():
    made = cache([101], d_sae=1, density=0, ends=0)
    grid = Grid.of(made.tokens, 32)
    for token, start in ((50, 26), (3, 1), (99, 69)):
        found = WINDOWS.get("centred")(grid, Entries(np.array([token]), np.ones(1, np.float32)))
        assert (found.starts.tolist(), found.stops.tolist()) == ([start], [start + 32])


@pytest.mark.parametrize("form", WINDOWS.names())
def test_values_that_are_not_above_zero_make_no_window(form):
    made = cache([50], d_sae=1, density=0, ends=0)
    entries = Entries(np.array([3, 4, 30]), np.array([0.0, -1.0, 2.0], np.float32))
    found = WINDOWS.get(form)(Grid.of(made.tokens, 8), entries)
    assert len(found) == 1 and found.starts[0] <= 30 < found.stops[0]
