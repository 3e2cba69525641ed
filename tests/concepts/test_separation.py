"""Figures of scores against labels: those of scikit-learn and scipy, with weights, ties and edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from saesteer.concepts import separation
from saesteer.concepts.separation import auroc_of, counted, midranks, pearson_of
from saesteer.errors import InputError

samples = st.integers(0, 10**6).map(np.random.default_rng).map(
    lambda draw: (
        np.r_[draw.integers(-3, 4, 30) / 2, draw.normal(size=10)],
        np.r_[[True, False], draw.random(38) < 0.4],
        draw.random(40),
    )
)  # fmt: skip


@given(samples, st.floats(-1.6, 1.6))
def test_estimates_are_those_of_sklearn_and_scipy(sample, threshold):
    scores, positive, grades = sample
    found = separation(scores, positive, threshold, grades, n=20)
    above = scores > threshold
    expected = {
        "auroc": metrics.roc_auc_score(positive, scores),
        "f1": metrics.f1_score(positive, above, zero_division=0),
        "precision": metrics.precision_score(positive, above, zero_division=0),
        "recall": metrics.recall_score(positive, above),
        "accuracy": metrics.accuracy_score(positive, above),
        "false_positive_rate": above[~positive].mean(),
        "pearson": stats.pearsonr(scores, grades).statistic,
        "spearman": stats.spearmanr(scores, grades).statistic,
    }
    for name, value in expected.items():
        assert getattr(found, name).estimate == pytest.approx(value, abs=1e-9), name
        assert getattr(found, name).low <= value + 1e-9 and getattr(found, name).high >= value - 1e-9, name
    assert (found.positives, found.negatives, found.graded) == (positive.sum(), (~positive).sum(), 40)


@given(samples, st.integers(0, 10**6))
def test_weights_are_rows_that_stand_several_times(sample, seed):
    scores, positive, grades = sample
    times = np.random.default_rng(seed).integers(0, 4, len(scores))
    times[:2] = 1
    weights = times[None].astype(float)
    many = [np.repeat(each, times) for each in (scores, positive, grades)]
    assert auroc_of(scores, positive, weights)[0] == pytest.approx(metrics.roc_auc_score(many[1], many[0]))
    f1 = metrics.f1_score(many[1], many[0] > 0, zero_division=0)
    assert counted(scores > 0, positive, weights)[0, 0] == pytest.approx(f1)
    ranks = midranks(scores, weights)[0]
    np.testing.assert_allclose(np.repeat(ranks, times), stats.rankdata(many[0]))
    pearson = pearson_of(scores[None], grades[None], weights)[0]
    assert pearson == pytest.approx(stats.pearsonr(many[0], many[2]).statistic)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth, held = 0.7602, 0  # the chance that a normal around 1 is above one around 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        positive = np.arange(80) < 40
        found = separation(draw.normal(size=80) + positive, positive, n=300, seed=seed)
        held += found.auroc.low <= truth <= found.auroc.high
    assert 180 <= held <= 198


def test_without_a_threshold_and_without_grades():
    positive = np.array([True, False, True])
    found = separation(np.array([2.0, 1.0, 3.0]), positive, n=10)
    assert found.auroc.estimate == 1 and found.f1 is found.pearson is None and found.graded == 0
    labels = separation(np.array([2.0, 1.0, 3.0]), positive, 1.5, np.array([1.0, 0.0, np.nan]), n=10)
    assert labels.pearson is None and labels.f1.estimate == 1
    assert [line.split()[0] for line in labels.lines()] == ["AUROC", "F1", "precision", "recall", "false"]
    constant = separation(np.array([2.0, 1.0, 3.0]), positive, 1.5, np.array([0.5, 0.5, 0.5]), n=10)
    assert constant.graded == 3 and constant.spearman is None


def test_one_class_alone_is_refused():
    with pytest.raises(InputError, match="all 3 labelled documents are of one class"):
        separation(np.arange(3.0), np.ones(3, dtype=bool))
