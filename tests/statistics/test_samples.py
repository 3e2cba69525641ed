"""The statistics against scipy, scikit-learn and brute force."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse
from sklearn.metrics import roc_auc_score

from saesteer import statistics
from saesteer.errors import InputError

ALTERNATIVES = ["two-sided", "greater", "less"]


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Columns with many ties and zeros of both signs, and labels with both classes."""
    rows, width = draw(st.integers(4, 30)), draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 0.0, 0.0, -2.5, -1.0, 0.5, 0.5, 1.0, 3.0, 2**-20])
    scores = draw(arrays.arrays(float, (rows, width), elements=values))
    labels = draw(arrays.arrays(bool, rows).filter(lambda each: each.any() and not each.all()))
    return scores, labels


@given(samples())
def test_auroc_is_that_of_sklearn_dense_and_sparse(sample):
    scores, labels = sample
    expected = [roc_auc_score(labels, column) for column in scores.T]
    np.testing.assert_allclose(statistics.auroc(scores, labels), expected, atol=1e-12)
    np.testing.assert_allclose(statistics.auroc(sparse.csr_array(scores), labels), expected, atol=1e-12)
    some_zeros_stored = sparse.csr_array(scores + 8 * labels[:, None])
    some_zeros_stored.data -= np.repeat(8.0 * labels, np.diff(some_zeros_stored.indptr))
    np.testing.assert_allclose(statistics.auroc(some_zeros_stored, labels), expected, atol=1e-12)
    assert statistics.auroc(scores[:, 0], labels) == pytest.approx(expected[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_equal_infinities_tie(form):
    scores = np.array([[-np.inf, np.inf], [-np.inf, 2], [-np.inf, np.inf], [1, np.inf]])
    found = statistics.auroc(form(scores), np.array([True, True, False, False]))
    np.testing.assert_array_equal(found, [0.25, 0.25])


@given(samples(), st.sampled_from(ALTERNATIVES))
def test_mann_whitney_is_that_of_scipy(sample, alternative):
    scores, labels = sample
    varied = np.ptp(scores, axis=0) > 0
    found = statistics.mann_whitney(scores, labels, alternative)
    assert (found[~varied] == 1).all()
    for column, p in zip(scores.T[varied], found[varied], strict=True):
        exact = scipy.stats.mannwhitneyu(
            column[labels], column[~labels], alternative=alternative, method="asymptotic"
        )
        assert p == pytest.approx(exact.pvalue, abs=1e-12)


@given(samples())
def test_cohen_d_is_the_gap_over_the_pooled_deviation(sample):
    scores, labels = sample
    for column, d in zip(scores.T, statistics.cohen_d(scores, labels), strict=True):
        a, b = column[labels], column[~labels]
        pooled = np.sqrt((((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / (len(column) - 2))
        if pooled > 1e-6:
            assert d == pytest.approx((a.mean() - b.mean()) / pooled, abs=1e-9)
    assert statistics.cohen_d(np.array([5.0, 5, 5, 5]), np.array([True, True, False, False])) == 0
    assert statistics.cohen_d(np.array([5.0, 5, 2, 2]), np.array([True, True, False, False])) == np.inf


def test_cohen_d_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2 == 0
    column = rng.normal(size=400) + labels
    near, far = statistics.cohen_d(column, labels), statistics.cohen_d(column + 1e7, labels)
    assert near == pytest.approx(far, rel=1e-6)


def test_repeated_entries_of_a_sparse_matrix_are_added_and_the_matrix_is_left_alone():
    # One column: 1 + 1 in row 0, 1.5 in row 1, a stored 0 in row 2.
    scores = sparse.csc_array(([1.0, 1.0, 1.5, 0.0], [0, 0, 1, 2], [0, 4]), shape=(3, 1))
    assert statistics.auroc(scores, np.array([True, False, False]))[0] == 1
    assert scores.nnz == 4


def test_columns_are_cut_into_blocks_without_a_seam(monkeypatch):
    scores = np.random.default_rng(1).integers(0, 3, (20, 11)).astype(float)
    labels = np.arange(20) < 8
    whole = statistics.auroc(scores, labels)
    monkeypatch.setattr("saesteer.statistics.samples._BLOCK", 45)
    np.testing.assert_array_equal(statistics.auroc(scores, labels), whole)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_permutations_agree_with_scipy(alternative):
    rng = np.random.default_rng(2)
    labels = np.arange(14) < 6
    scores = rng.normal(size=(14, 3)) + labels[:, None] * np.array([0.0, 1.0, -2.0])
    found = statistics.permutation_test(scores, labels, n=4000, seed=3, alternative=alternative)
    for column, p in zip(scores.T, found, strict=True):
        exact = scipy.stats.permutation_test(  # all 3003 divisions
            (column[labels], column[~labels]),
            lambda a, b: a.mean() - b.mean(),
            alternative=alternative,
            n_resamples=np.inf,
        )
        assert p == pytest.approx(exact.pvalue, abs=0.03)
    again = statistics.permutation_test(
        sparse.csr_array(scores), labels, n=4000, seed=3, alternative=alternative
    )
    np.testing.assert_allclose(found, again)


def test_gaps_that_differ_by_rounding_alone_are_equal():
    whole = np.array([1.0, 2, 3, 3, 2, 1, 7, 6])
    labels = np.array([True, True, True, False, False, False, True, False])
    p = statistics.permutation_test(whole, labels, n=500)
    assert statistics.permutation_test(whole * 0.1, labels, n=500) == p
    assert statistics.sign_flip_test(whole * 0.1, n=500) == statistics.sign_flip_test(whole, n=500)


def test_permutations_of_one_constant_find_nothing():
    assert statistics.permutation_test(np.full(8, 0.1), np.arange(8) < 3, n=99) == 1


def test_few_differences_have_every_flip_counted():
    assert statistics.sign_flip_test(np.array([1.0, 2.0, 4.0])) == 2 / 8  # the least that three can give
    assert statistics.sign_flip_test(np.array([1.0, 2.0, 4.0]), alternative="greater") == 1 / 8
    assert statistics.sign_flip_test(np.array([3.0, -1.0, 2.0]), seed=5) == 4 / 8
    assert statistics.sign_flip_test(np.full(9, 0.3), n=512) == 2 / 512
    assert statistics.sign_flip_test(np.full(9, 0.3), n=511) != 2 / 512  # drawn, and the observed one


def test_sign_flips_agree_with_every_flip():
    differences = np.array([0.4, 1.2, -0.3, 0.8, 0.9, 0.1, 0.7])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1)
    expected = (differences @ flips >= differences.sum() - 1e-12).mean()
    found = statistics.sign_flip_test(differences, n=20000, alternative="greater")
    assert found == pytest.approx(expected, abs=0.005)
    assert statistics.sign_flip_test(-differences, n=20000, alternative="less") == found


def test_bootstrap_of_the_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(4).normal(3, 2, 2000)
    interval = statistics.bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)
    assert statistics.bootstrap_mean(values) == interval
    assert statistics.bootstrap_mean(values, seed=1) != interval


def test_groups_widen_the_interval_when_their_rows_agree():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(30), 20)
    values = rng.normal(size=30)[groups] + 0.01 * rng.normal(size=600)
    alone, together = statistics.bootstrap_mean(values), statistics.bootstrap_mean(values, groups)
    assert (together.high - together.low) > 3 * (alone.high - alone.low)
    assert alone.estimate == pytest.approx(together.estimate)


def test_groups_of_unequal_size_weigh_by_their_rows():
    interval = statistics.bootstrap_mean(np.array([1.0, 1.0, 1.0, 5.0]), np.array([7, 7, 7, 9]))
    assert interval.estimate == 2
    assert (interval.low, interval.high) == (1, 5)


def test_bootstrap_of_a_ratio_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(6)
    covered = 0
    for trial in range(200):
        top, bottom = rng.random(150) < 0.5, rng.random(400) < 0.25
        interval = statistics.bootstrap_ratio(top, bottom, n=400, seed=trial)
        covered += interval.low <= 2 <= interval.high
    assert 180 <= covered <= 199  # 95 % of 200, give or take


@pytest.mark.parametrize("statistic", ["mean", "ratio", "difference"])
def test_intervals_of_eight_groups_cover_the_truth(statistic):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 6)

    def shares(mean):
        return rng.random(48) < rng.beta(3 * mean, 3 * (1 - mean), 8)[groups]

    covered = 0
    for _ in range(1000):
        top, bottom = shares(0.5), shares(0.25)
        if statistic == "mean":
            interval, truth = statistics.bootstrap_mean(top, groups, n=400), 0.5
        elif statistic == "ratio":
            interval, truth = statistics.bootstrap_ratio(top, bottom, groups, groups, n=400), 2.0
        else:
            interval, truth = statistics.bootstrap_difference(top, bottom, groups, groups, n=400), 0.25
        covered += interval.low <= truth <= interval.high
    assert covered >= 930


def test_a_product_draws_the_same_rows_of_both_columns():
    values, groups = np.random.default_rng(7).random(40), np.repeat(np.arange(8), 5)
    mean = statistics.bootstrap_mean(values, groups)
    product = statistics.bootstrap_product(values, values, groups)
    assert (product.low, product.high) == pytest.approx((mean.low**2, mean.high**2))


def test_a_sample_of_one_group_does_not_narrow_the_other():
    values, groups = np.random.default_rng(8).random(40), np.repeat(np.arange(8), 5)
    mean = statistics.bootstrap_mean(values, groups)
    gap = statistics.bootstrap_difference(np.zeros(2), values, np.zeros(2), groups)
    assert gap.high - gap.low == pytest.approx(mean.high - mean.low, rel=0.15)


def test_ends_stay_inside_what_is_possible():
    values = np.array([0.0, 1.0, 1.0, 1.0])
    interval = statistics.bootstrap_mean(values)
    assert (interval.low, interval.high) == (0, 1)
    with pytest.raises(InputError, match="the same rows"):
        statistics.bootstrap_product(values, values[:2])


def test_a_ratio_over_nothing_is_unbounded():
    interval = statistics.bootstrap_ratio(np.ones(5), np.zeros(5))
    assert (interval.estimate, interval.low, interval.high) == (np.inf, np.inf, np.inf)
    nothing = statistics.bootstrap_ratio(np.zeros(5), np.zeros(5))
    assert (nothing.low, nothing.high) == (0, np.inf)
    assert np.isnan(nothing.estimate)
    signed = statistics.bootstrap_ratio(np.array([0.0, 0.0, -1.0]), np.zeros(3))
    assert signed.low == -np.inf


@given(arrays.arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_benjamini_hochberg_is_that_of_scipy(p):
    expected = scipy.stats.false_discovery_control(p, method="bh")
    np.testing.assert_allclose(statistics.benjamini_hochberg(p), expected, atol=1e-15)


@given(arrays.arrays(float, st.integers(1, 20), elements=st.floats(0, 1)), st.floats(0.01, 0.99))
def test_holm_rejects_what_its_steps_reject(p, alpha):
    rejected = np.zeros(len(p), dtype=bool)
    for step, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] * (len(p) - step) > alpha:
            break
        rejected[index] = True
    np.testing.assert_array_equal(statistics.holm(p) <= alpha, rejected)


def test_no_p_values_are_no_p_values():
    assert statistics.holm(np.empty(0)).shape == statistics.benjamini_hochberg(np.empty(0)).shape == (0,)


LABELS = np.array([True, False, True])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.auroc(np.ones((3, 2)), np.ones(3, dtype=bool)), "one class"),
        (lambda: statistics.auroc(np.ones((4, 2)), LABELS), "one label per row"),
        (lambda: statistics.auroc(np.ones(3), np.array([1, 0, 1])), "one bool per row"),
        (lambda: statistics.auroc(np.array([1, np.nan, 0]), LABELS), "NaN"),
        (lambda: statistics.mann_whitney(np.ones(3), LABELS, "bigger"), "alternative"),
        (lambda: statistics.bootstrap_mean(np.empty(0)), "at least one"),
        (lambda: statistics.bootstrap_mean(np.array([1.0, np.inf])), "infinity"),
        (lambda: statistics.bootstrap_mean(np.ones(3), np.ones(2)), "one group per value"),
        (lambda: statistics.bootstrap_mean(np.ones(3), level=95), "level"),
        (lambda: statistics.holm(np.array([0.5, np.nan])), "from 0 to 1"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_weights_give_the_interval_of_any_figure():
    """Of a mean it is the bootstrap's own, up to luck; rows are drawn within their stratum."""
    draw = np.random.default_rng(0)
    values, strata = draw.normal(size=60), np.arange(60) < 20
    seen = []

    def mean(weights):
        seen.append(weights)
        return np.stack([weights @ values / weights.sum(1), weights.max(1)], axis=1)

    found, _ = statistics.bootstrap_weights(mean, np.zeros(60, dtype=bool), n=4000)
    plain = statistics.bootstrap_mean(values, n=4000)
    assert found.estimate == pytest.approx(plain.estimate)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.03)
    seen.clear()
    statistics.bootstrap_weights(mean, strata, n=50)
    weights = np.concatenate(seen[1:])
    assert len(weights) == 50 and (weights[:, strata].sum(1) == 20).all() and (weights.sum(1) == 60).all()
    assert weights.max() > 2 and len(np.unique(weights, axis=0)) == 50
