"""Log odds and likelihood ratios against figures by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.explainers.evidence import compared


def test_figures_by_hand():
    """8 of 40 against 0 of 50: 2 (8 ln(8 / 3.556) + 32 ln(32 / 36.444) + 50 ln(50 / 45.556)) = 13.96."""
    found = compared({"veil": 8}, 40, {}, 50)["veil"]
    expected = 2 * (8 * math.log(8 / 3.55556) + 32 * math.log(32 / 36.44444) + 50 * math.log(50 / 45.55556))
    assert found.z == pytest.approx(math.sqrt(expected), abs=1e-4)
    assert (found.inside, found.outside, found.count) == (0.2, 0.0, 8)
    share = 8 / 90
    one = math.log((8 + 2 * share) / (32 + 2 * (1 - share)))
    other = math.log(2 * share / (50 + 2 * (1 - share)))
    assert found.log_odds == pytest.approx(one - other, abs=1e-6)


def test_equal_shares_say_nothing():
    found = compared({"the": 10}, 50, {"the": 20}, 100)["the"]
    assert found.z == pytest.approx(0, abs=1e-6) and found.log_odds == pytest.approx(0, abs=1e-6)


def test_little_to_see_is_shrunk():
    few, many = (compared({"x": n}, 10 * n, {}, 10 * n)["x"] for n in (1, 10))
    assert 0 < few.log_odds < many.log_odds and 0 < few.z < many.z


COUNTS = st.integers(0, 1000)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0.01, 0.99))
def test_the_sign_is_that_of_the_difference(a, b, c, d, part):
    one, other = a + part, float(c)
    found = compared({"x": one}, one + b, {"x": other} if other else {}, other + d + 1)["x"]
    assert math.isfinite(found.z) and math.isfinite(found.log_odds)
    difference = one / (one + b) - other / (other + d + 1)
    assert abs(found.z) < 1e-3 or (found.z > 0) == (difference > 0) == (found.log_odds > 0)
