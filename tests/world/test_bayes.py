"""The Bayes ceiling knows a sentence's concepts when the sentence is over, and is calibrated before."""

from itertools import pairwise

import numpy as np
import pytest

from saesteer.world.bayes import COLUMN, token_posteriors
from saesteer.world.story import tell
from saesteer.world.words import CONCEPTS


@pytest.fixture(scope="module")
def posteriors():
    return [(story, token_posteriors(story)) for story in map(tell, range(1000, 1040))]


def test_at_the_end_of_a_sentence_its_concepts_are_certain(posteriors):
    for story, tables in posteriors:
        for sentence, table in zip(story.sentences, tables, strict=True):
            truth = np.zeros(len(CONCEPTS))
            truth[[COLUMN[c] for c in sentence.concepts]] = 1
            np.testing.assert_allclose(table[-1], truth, atol=1e-9)


def test_before_the_end_the_probabilities_are_calibrated(posteriors):
    predicted, missed = [], []  # a row per sentence: the tokens of one sentence are no independent witnesses
    for story, tables in posteriors:
        for sentence, table in zip(story.sentences, tables, strict=True):
            if sentence.reading.part not in ("title", "opening"):
                truth = np.zeros(len(CONCEPTS))
                truth[[COLUMN[c] for c in sentence.concepts]] = 1
                predicted.append(table)
                missed.append(truth - table)
    for low, high in pairwise((0.001, 0.05, 0.3, 0.7, 0.97)):
        errors = np.array([m[(p > low) & (p <= high)].sum() for p, m in zip(predicted, missed, strict=True)])
        assert np.count_nonzero(errors) >= 20
        assert abs(errors.sum()) < 3 * errors.std() * len(errors) ** 0.5, (low, high)
