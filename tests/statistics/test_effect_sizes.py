"""Effect sizes against scipy's statistics and their own symmetries."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saesteer.errors import InputError
from saesteer.statistics import cliffs_delta, cohen_d_paired, rank_biserial

WHOLE = arrays.arrays(float, st.integers(2, 12), elements=st.integers(-4, 4))


@given(WHOLE)
def test_d_of_pairs_is_the_t_statistic_over_the_root_of_n(values):
    found = cohen_d_paired(values)
    if values.std() > 0:
        t = scipy.stats.ttest_1samp(values, 0).statistic
        assert found * math.sqrt(len(values)) == pytest.approx(t, abs=1e-9)
    else:
        assert found == (math.copysign(math.inf, values[0]) if values[0] else 0)
    assert cohen_d_paired(-values) == -found


@given(WHOLE, WHOLE)
def test_cliffs_delta_is_the_u_statistic_rescaled(one, other):
    u = scipy.stats.mannwhitneyu(one, other, method="asymptotic").statistic
    assert cliffs_delta(one, other) == pytest.approx(2 * u / (len(one) * len(other)) - 1)
    assert cliffs_delta(other, one) == -cliffs_delta(one, other)
    assert cliffs_delta(one, one) == 0


@given(WHOLE)
def test_the_rank_biserial_is_wilcoxons_statistic_rescaled(values):
    found = rank_biserial(values)
    assert -1 <= found <= 1 and rank_biserial(-values) == pytest.approx(-found)
    if (values != 0).any():
        n = int((values != 0).sum())
        rises = scipy.stats.wilcoxon(values, alternative="greater", method="asymptotic").statistic
        assert found == pytest.approx(2 * rises / (n * (n + 1) / 2) - 1)
    else:
        assert found == 0


def test_by_hand():
    assert cohen_d_paired(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert (
        cohen_d_paired(np.array([0.1, 0.1, 0.1])) == math.inf and cohen_d_paired(np.array([2.0])) == math.inf
    )
    assert cliffs_delta(np.array([3.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx((2 - 1) / 4)
    assert rank_biserial(np.array([1.0, -2.0, 0.0])) == pytest.approx((1 - 2) / 3)


@pytest.mark.parametrize("call", [cohen_d_paired, rank_biserial, lambda v: cliffs_delta(v, np.ones(2))])
def test_what_has_no_answer_is_refused(call):
    for values, told in ((np.empty(0), "at least one"), (np.array([1.0, np.nan]), "infinity")):
        with pytest.raises(InputError, match=told):
            call(values)
