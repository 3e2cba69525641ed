"""Strengths keep their unit's factor, and refuse what is no number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import BadSpec
from saesteer.steering import Strength

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(numbers, numbers, st.floats(1e-3, 1e3))
def test_the_factor_stays_whatever_the_value(first, second, factor):
    made = Strength(first, "residual_norm").measured(factor, {"texts": 8})
    for strength in (made.at(second), made.at(0.0).at(second), Strength.from_dict(made.at(second).to_dict())):
        assert strength.plain == pytest.approx(second * factor)
        assert strength.factor == factor
    assert made.at(second).measured_on["texts"] == 8


def test_a_resolved_value_alone_has_a_factor():
    noted = Strength(0.4, "residual_norm", resolved=17.6)
    assert noted.factor == pytest.approx(44.0)
    assert noted.at(0.2).resolved == pytest.approx(8.8)
    assert noted.at(0.0).at(0.2).resolved == pytest.approx(8.8)
    assert noted.plain == 17.6 or math.isclose(noted.plain, 17.6)


def test_what_is_not_measured_is_unknown_but_zero():
    assert Strength(0.4, "residual_norm").plain is None
    assert Strength(0.0, "residual_norm").plain == 0.0
    assert Strength(3.0).plain == 3.0
    assert Strength(0.5, "kl").plain is None
    assert Strength(0.5, "kl", resolved=2.0).plain == 2.0
    assert Strength(0.5, "kl", resolved=2.0).at(1.0).plain is None


def test_another_unit_forgets_the_factor():
    assert Strength(0.4, "residual_norm", resolved=17.6).at(0.4, "raw") == Strength(0.4)
    assert Strength(0.4, "residual_norm", resolved=17.6).at(0.2, "residual_norm").resolved is not None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": float("nan")}, "value: must be finite, got nan"),
        ({"value": float("-inf")}, "value: must be finite, got -inf"),
        ({"value": "1e-3"}, "value: must be a number, got '1e-3'; write it without quotes and with a dot"),
        ({"value": True}, "value: must be a number, got True"),
        ({"value": None}, "value: must be a number, got None"),
        ({"value": 10**400}, "value: must be finite"),
        ({"unit": "residual_norms"}, "unit: unknown value 'residual_norms'; did you mean 'residual_norm'"),
        ({"resolved": float("inf")}, "resolved: must be finite"),
        ({"value": 2.0, "resolved": 3.0}, "resolved: must be 2 for value 2 in raw, got 3"),
        (
            {"value": 2.0, "unit": "residual_norm", "resolved": 3.0, "measured_on": {"unit_value": 2.0}},
            "resolved: must be 4 for value 2 in residual_norm, got 3",
        ),
        ({"measured_on": {"unit_value": 0}}, "measured_on.unit_value: must be positive, got 0"),
        ({"measured_on": "wiki"}, "measured_on: must be a mapping, got 'wiki'"),
        ({"valu": 1.0}, "valu: unknown key 'valu'; did you mean 'value'"),
    ],
)
def test_bad_strengths(fields, message):
    with pytest.raises(BadSpec, match=f"^{message}"):
        Strength.from_dict(fields)
