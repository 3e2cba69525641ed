"""Planted absorption: a special latent says the general concept in place of its own latent."""

import numpy as np
import pytest

from saesteer.evaluation.saes.absorption import absorption, main_latents
from saesteer.evaluation.saes.probing import Probe, fit_probe, standardised_differences
from tests.evaluation.saes.planted import half, noise

D, WIDTH, ROWS = 16, 20, 800
MAIN, HEIR = 3, 11


def _planted(seed: int, absorbed: float = 0.25, along: float = 1.0):
    """Latent 3 is the concept on axis 0; in a share of its tokens 11 fires alone and says `along` of it."""
    draw = np.random.default_rng(seed)
    truth = draw.random(ROWS) < 0.4
    special = truth & (draw.random(ROWS) < absorbed)
    latents = noise(ROWS, WIDTH, 0.1, seed) * 0.3
    latents[:, [MAIN, HEIR]] = 0
    latents[truth & ~special, MAIN] = 2
    latents[special, HEIR] = 2
    decoder = np.random.default_rng(9).normal(size=(WIDTH, D)) * 0.3
    decoder[:, 0] = 0
    decoder[MAIN] = np.eye(D)[0]
    decoder[HEIR] = np.eye(D)[1] + along * np.eye(D)[0]
    x = latents @ decoder
    x[:, 0] = 2 * truth  # the model knows the concept, whatever the SAE says
    return half(latents, truth, x + 0.01 * draw.normal(size=x.shape)), decoder.astype(np.float32), special


AXIS = Probe(np.eye(D)[0], -1.0, 0.0, 1.0)


def _found(along: float = 1.0, absorbed: float = 0.25, probe: Probe | None = None):
    train, decoder, _ = _planted(1, absorbed, along)
    test, _, special = _planted(2, absorbed, along)
    probe = probe or fit_probe(train.activations, train.labels[:, 0] > 0)
    main = main_latents(train, 0, standardised_differences(train.latents, train.labels)[0])
    return absorption(test, 0, main, probe, decoder), test, special


def test_the_planted_case_is_found():
    """The second latent adds too little F1 to be a main one."""
    found, test, special = _found(absorbed=0.02)
    assert found.main == (MAIN,)
    assert found.told == int((test.labels[:, 0] > 0).sum())
    assert found.silent == found.absorbed == int(special.sum()) > 3
    assert found.absorbing == (HEIR,)
    assert found.rate == pytest.approx(special.sum() / (test.labels[:, 0] > 0).sum())


def test_a_split_concept_is_not_absorbed():
    """A second latent that adds F1 is a main one itself: feature splitting."""
    found, _, _ = _found(absorbed=0.25)
    assert found.main == (MAIN, HEIR)
    assert (found.silent, found.absorbed, found.rate) == (0, 0, 0.0)


def test_a_latent_that_does_not_carry_the_concept_absorbs_nothing():
    found, _, special = _found(along=0.0, absorbed=0.02, probe=AXIS)
    assert found.silent == int(special.sum()) and found.absorbed == 0


def _one_token(carried: list[float], cosine: float = 1.0):
    """One token of the concept, whose latents carry these parts along the probe (axis 0)."""
    decoder = np.array([[cosine * np.sign(each), np.sqrt(1 - cosine**2)] for each in carried])
    latents = np.abs([carried]) / cosine
    test = half(np.c_[latents, [[0.0]]], np.array([1.0]), np.array([[1.0, 0.0]]))
    probe = Probe(np.array([5.0, 0.0]), 0.0, 1.0, 1.0)
    return absorption(test, 0, (len(carried),), probe, np.r_[decoder, [[1.0, 0.0]]].astype(np.float32))


@pytest.mark.parametrize(
    ("carried", "absorbed"),
    [
        ([1.0], 1),
        ([0.41, 0.3, 0.29], 1),
        ([0.39, 0.31, 0.3], 0),  # below the share
        ([1.0, -2.0], 0),  # the whole lies on the other side
        ([1.0, -0.5], 1),
    ],
)
def test_the_share_of_one_latent(carried, absorbed):
    found = _one_token(carried)
    assert (found.told, found.silent, found.absorbed) == (1, 1, absorbed)


def test_the_cosine_with_the_probe():
    assert _one_token([1.0], cosine=0.03).absorbed == 1
    assert _one_token([1.0], cosine=0.02).absorbed == 0


def test_what_the_probe_does_not_tell_counts_nowhere():
    test = half(np.array([[0.0, 1.0]]), np.array([1.0]), np.array([[0.1, 0.0]]))
    found = absorption(test, 0, (0,), Probe(np.array([5.0, 0.0]), 0.0, 1.0, 1.0), np.eye(2, dtype=np.float32))
    assert (found.told, found.silent, found.absorbed, found.rate) == (0, 0, 0, None)
