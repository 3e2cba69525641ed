"""Probes beside plain numpy and scikit-learn; a planted direction and planted latents are found."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from saesteer.evaluation.saes.probing import fit_probe, sparse_probes, standardised_differences
from tests.evaluation.saes.planted import half, noise


def test_differences_by_plain_numpy():
    draw = np.random.default_rng(0)
    latents = noise(80, 9, 0.3, 1)
    latents[:, 4] = 0
    labels = (draw.random((80, 2)) < 0.4).astype(np.float32)
    labels[draw.random((80, 2)) < 0.2] = np.nan
    found = standardised_differences(sparse.csc_array(latents), labels)
    for concept in range(2):
        known = ~np.isnan(labels[:, concept])
        z, truth = latents[known], labels[known, concept] > 0
        expected = (z[truth].mean(0) - z[~truth].mean(0)) / np.where(z.std(0) > 0, z.std(0), 1)
        np.testing.assert_allclose(found[concept], expected, atol=1e-9)
        correlation = np.corrcoef(z[:, 0], truth)[0, 1]
        p = truth.mean()
        assert found[concept, 0] * np.sqrt(p * (1 - p)) == pytest.approx(correlation)


def test_a_latent_that_fires_once_does_not_come_first():
    labels = (np.arange(1000) < 20).astype(np.float32)
    latents = np.zeros((1000, 2))
    latents[3, 0] = 100
    latents[:15, 1] = latents[500:503, 1] = 1
    assert standardised_differences(sparse.csc_array(latents), labels[:, None])[0].argmax() == 1


def test_a_known_direction_is_found():
    draw = np.random.default_rng(0)
    direction = draw.normal(size=20)
    x = draw.normal(size=(4000, 20)) * np.linspace(0.5, 3, 20) + 10
    logit = (x - 10) @ direction
    truth = logit + draw.logistic(size=4000) * 0.3 > 2
    probe = fit_probe(x[:2000], truth[:2000])
    cosine = probe.weights @ direction / np.linalg.norm(probe.weights) / np.linalg.norm(direction)
    assert cosine > 0.98
    score = probe.score(x[2000:], truth[2000:], None)
    assert score.auroc > 0.99 and score.accuracy > 0.95 and score.f1 > 0.9 and score.k is None
    assert score.auroc == pytest.approx(roc_auc_score(truth[2000:], probe.logits(x[2000:])))
    assert score.accuracy == pytest.approx(balanced_accuracy_score(truth[2000:], probe.logits(x[2000:]) > 0))


def test_it_is_the_logistic_regression_of_scikit_learn():
    draw = np.random.default_rng(1)
    x = np.c_[draw.normal(size=(500, 3)) * [1, 10, 100] + [0, 5, 1000], np.full(500, 7.0)]
    truth = x[:, 0] + x[:, 1] / 10 + draw.normal(size=500) > 1.5
    plain = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", tol=1e-6)).fit(
        x, truth
    )
    probe = fit_probe(x, truth)
    np.testing.assert_allclose(probe.logits(x), plain.decision_function(x), atol=0.03)
    assert probe.weights[3] == 0  # a constant column


def test_k_latents_tell_what_one_cannot():
    draw = np.random.default_rng(2)
    halves = []
    for seed in (1, 2):
        truth = draw.random(600) < 0.3
        latents = noise(600, 25, 0.05, seed)
        part = draw.integers(0, 2, 600)
        for latent in (0, 1):  # the concept is split over two latents
            latents[:, 5 + latent] = truth & (part == latent)
        halves.append(half(latents, truth))
    train, test = halves
    differences = standardised_differences(train.latents, train.labels)[0]
    one, two, five = sparse_probes(train, test, 0, differences, (1, 2, 5))
    assert [each.k for each in (one, two, five)] == [1, 2, 5]
    assert one.accuracy < 0.8 < two.accuracy == 1 and two.auroc == two.f1 == 1
    assert five.auroc > 0.99
    assert [each.k for each in sparse_probes(train, test, 0, differences[:3], (1, 2, 5))] == [1, 2]
