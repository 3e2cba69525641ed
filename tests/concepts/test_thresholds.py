"""Thresholds: none is better than the one that was found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from saesteer.concepts import Goal, threshold_for
from saesteer.errors import InputError

F1 = Goal.parse("f1")
cases = st.lists(st.tuples(st.floats(-1e3, 1e3, width=16), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: 0 < sum(yes for _, yes in rows) < len(rows)
)


@given(cases)
def test_no_other_cut_has_a_better_f1(rows):
    scores, positive = (np.array(each) for each in zip(*rows, strict=True))
    found = threshold_for(F1, scores, positive)
    best = f1_score(positive, scores > found)
    for other in [scores.min() - 1, *scores]:
        assert f1_score(positive, scores > other, zero_division=0) <= best + 1e-12


@given(cases, st.floats(0, 1))
def test_the_rate_of_false_positives_is_kept_and_used(rows, rate):
    scores, positive = (np.array(each) for each in zip(*rows, strict=True))
    found = threshold_for(Goal("fpr", rate), scores, positive)
    negatives = scores[~positive]
    assert (negatives > found).mean() <= rate + 1e-9
    lower = scores[scores < found].max(initial=-np.inf)
    at = negatives[negatives <= found]
    if len(at) and np.isfinite(lower):
        assert (negatives >= at.max()).mean() > rate - 1e-9, "a lower cut would let more through"


def test_known_answers():
    scores, positive = np.array([0.0, 1, 2, 3, 4, 5]), np.array([0, 0, 1, 0, 1, 1], bool)
    assert threshold_for(F1, scores, positive) == 1.5
    assert threshold_for(Goal("fpr", 0.0), scores, positive) == 3
    assert threshold_for(Goal("fpr", 0.34), scores, positive) == 1
    assert threshold_for(Goal("fpr", 1.0), scores, positive) < 0
    assert threshold_for(Goal("quantile", 0.5), scores) == 2
    near = np.array([1.0, np.nextafter(1.0, 2)])
    cut = threshold_for(F1, near, np.array([False, True]))
    assert not near[0] > cut and near[1] > cut


@pytest.mark.parametrize("text", ["f2", "fpr", "fpr=", "fpr=2", "fpr=nan", "quantile=x", "f1=0.5", ""])
def test_goals_that_are_none(text):
    with pytest.raises(InputError, match="a goal is f1, fpr=RATE or quantile=RATE"):
        Goal.parse(text)


def test_goals_are_read_and_said():
    assert [str(Goal.parse(each)) for each in ("f1", "fpr=0.05", "quantile=0.95")] == [
        "f1", "fpr=0.05", "quantile=0.95",
    ]  # fmt: skip


@pytest.mark.parametrize("positive", [None, np.array([True, True])])
def test_labels_are_needed(positive):
    with pytest.raises(InputError, match="a threshold by f1 needs positive and negative documents"):
        threshold_for(F1, np.array([1.0, 2.0]), positive)
