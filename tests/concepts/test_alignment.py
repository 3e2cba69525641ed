"""Scores of latents for a topic: the formulas, the mask, the intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from saesteer.concepts.alignment import (
    contrast_intervals,
    contrast_scores,
    score_intervals,
    topic_scores,
)
from saesteer.errors import InputError, ShapeMismatch


def drawn(seed, prompts=12, latents=40, density=0.3):
    rng = np.random.default_rng(seed)
    matrix = sparse.random_array((prompts, latents), density=density, rng=rng, format="csr")
    return matrix, rng.uniform(0.3, 1.8, prompts)


def by_hand(matrix, distances):
    """The formula latent by latent; None for one that never fired."""
    dense, found = matrix.toarray(), []
    for latent in range(dense.shape[1]):
        mass = sum(dense[p, latent] for p in range(len(distances)))
        moved = sum(distances[p] * dense[p, latent] for p in range(len(distances)))
        found.append(moved / mass if mass else None)
    held = [each for each in found if each is not None]
    least, most = min(held), max(held)
    return [None if r is None else 1 - (r - least) / (most - least) for r in found]


@given(seed=st.integers(0, 10**6))
def test_the_formula(seed):
    matrix, distances = drawn(seed, density=0.15)
    score, supported = topic_scores(matrix, distances)
    expected = by_hand(matrix, distances)
    assert supported.tolist() == [each is not None for each in expected]
    np.testing.assert_allclose(score, [each or 0.0 for each in expected], atol=1e-9)
    np.testing.assert_allclose(topic_scores(matrix.toarray(), distances)[0], score, atol=1e-12)


def test_one_silent_latent_does_not_touch_the_others():
    matrix, distances = drawn(1, density=0.6)
    dense = matrix.toarray()
    dense[:, 7] = 0
    score, supported = topic_scores(sparse.csr_array(dense), distances)
    assert not supported[7] and score[7] == 0 and np.isfinite(score).all()
    rest = np.delete(dense, 7, axis=1)
    np.testing.assert_allclose(np.delete(score, 7), topic_scores(rest, distances)[0])


def test_the_nearest_prompts_latent_scores_one_and_the_farthest_zero():
    score, supported = topic_scores(np.eye(3), np.array([0.2, 1.0, 1.8]))
    np.testing.assert_allclose(score, [1.0, 0.5, 0.0])
    assert supported.all()


def test_nothing_active_is_an_error():
    with pytest.raises(InputError, match="no latent is active"):
        topic_scores(sparse.csr_array((3, 4)), np.ones(3))
    with pytest.raises(InputError, match="no latent is active"):
        contrast_scores(sparse.csr_array((3, 4)), sparse.csr_array((2, 4)))
    with pytest.raises(ShapeMismatch, match=r"3 prompts but distances of \[2\]"):
        topic_scores(np.eye(3), np.ones(2))
    with pytest.raises(InputError, match="not finite"):
        topic_scores(np.eye(2), np.array([1.0, np.nan]))


def test_intervals_hold_the_score_and_are_whole_for_few_prompts():
    matrix, distances = drawn(2, prompts=60, latents=30, density=0.5)
    dense = matrix.toarray()
    dense[:, 0] = 0
    dense[0, 0] = 1.0  # one prompt
    dense[:, 1] = 0  # none
    score, _ = topic_scores(dense, distances)
    low, high = score_intervals(dense, distances)
    assert ((low <= score + 1e-6) & (score <= high + 1e-6)).all()
    assert (low[[0, 1]] == 0).all() and (high[[0, 1]] == 1).all()
    assert (high - low)[2:].mean() < 0.8
    again = score_intervals(dense, distances)
    np.testing.assert_array_equal(again[0], low)


def test_intervals_are_those_of_weights_drawn_one_by_one():
    matrix, distances = drawn(3, prompts=40, latents=9, density=0.9)
    low, high = score_intervals(matrix, distances, draws=300, seed=5)
    weights = np.random.default_rng(5).multinomial(40, [1 / 40] * 40, 300)
    scores = np.array([topic_scores(matrix.toarray() * w[:, None], distances)[0] for w in weights])
    assert (low >= scores.min(0) - 1e-5).all() and (high <= scores.max(0) + 1e-5).all()
    inside = ((scores >= low - 1e-5) & (scores <= high + 1e-5)).mean(0)
    assert (inside >= 0.95).all()


def test_a_draw_of_prompts_on_which_nothing_is_active_says_nothing():
    """Of three prompts one has latents: three draws of ten miss it."""
    low, high = score_intervals(np.array([[1.0, 0.5], [0, 0], [0, 0]]), np.array([0.2, 0.5, 0.9]))
    assert (low == 0).all() and (high == 1).all()


def test_blocks_of_columns_change_nothing(monkeypatch):
    matrix, distances = drawn(4, latents=33)
    whole = score_intervals(matrix, distances, draws=50)
    monkeypatch.setattr("saesteer.concepts.alignment._COLUMNS", 7)
    for one, other in zip(score_intervals(matrix, distances, draws=50), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_contrast_is_the_share_of_activity_on_the_topic():
    target = sparse.csr_array(np.array([[1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 0.0, 0.0]]))
    general = sparse.csr_array(np.array([[0.0, 1.0, 1.0, 0.0]]))
    score, supported = contrast_scores(target, general)
    assert supported.tolist() == [True, True, True, False]
    np.testing.assert_allclose(score, [1.0, 0.0, 0.5, 0.0])
    low, high = contrast_intervals(target, general)
    assert ((low <= score) & (score <= high)).all() and low[3] == 0 and high[3] == 1
