"""Isolation: known answers of trees, the score's formula, determinism."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier

from saesteer.concepts import isolate, isolation, mean_latents
from saesteer.errors import InputError
from saesteer.latents import capture
from saesteer.text import Document
from tests.latents.tiny import sae, sentences


def field(n=200, latents=12, seed=0):
    draw = np.random.default_rng(seed)
    positive = np.arange(n) % 2 == 0
    noise = draw.random((n, latents)) * (draw.random((n, latents)) < 0.3)
    return positive, noise, np.arange(n) % 4 >= 2


def test_a_concept_in_one_latent():
    positive, matrix, held_out = field()
    matrix[:, 5] = positive * 3.0
    found = isolation(sparse.csr_array(matrix), positive, held_out)
    assert (found.root, found.depth, found.nodes, found.latents) == (5, 1, 3, 1)
    assert found.root_threshold == 1.5 and found.documents == (100, 100) and found.chance == 0.5
    assert found.train_accuracy == found.accuracy == found.root_accuracy == 1
    assert found.broad == 1 and found.local > 0.7
    assert found.fms == pytest.approx((found.local + found.broad) / 2)


def test_a_concept_in_two_copies_is_less_local():
    positive, matrix, held_out = field()
    matrix[:, 5] = matrix[:, 7] = positive * 3.0
    one = isolation(sparse.csr_array(matrix), positive, held_out)
    assert one.root in (5, 7) and one.local == 0 and one.fms == 0.5
    both = isolation(sparse.csr_array(matrix), positive, held_out, removed=2)
    assert both.local > 0.7


def test_a_concept_that_takes_two_latents_is_less_broad():
    positive, matrix, held_out = field(400)
    draw = np.random.default_rng(1)
    matrix[:, 5] = np.where(positive, draw.random(400) < 0.5, 0) * 3.0
    matrix[:, 7] = np.where(positive, matrix[:, 5] == 0, 0) * 3.0
    found = isolation(sparse.csr_array(matrix), positive, held_out)
    assert found.depth == 2 and found.latents == 2 and found.accuracy == 1
    assert 0.6 < found.root_accuracy < 0.9
    assert found.broad == pytest.approx(1 - (1 - found.root_accuracy))
    assert found.fms == pytest.approx(found.root_accuracy * (found.local + found.broad) / 2)


def test_it_is_the_tree_of_sklearn_and_the_same_each_time():
    positive, matrix, held_out = field(seed=3)
    found = isolation(sparse.csr_array(matrix), positive, held_out, seed=4)
    tree = DecisionTreeClassifier(criterion="gini", random_state=4)
    tree.fit(matrix[~held_out].astype(np.float32), positive[~held_out])
    assert (found.depth, found.nodes) == (tree.get_depth(), tree.tree_.node_count)
    assert found.root == tree.tree_.feature[0]
    assert found.accuracy == tree.score(matrix[held_out].astype(np.float32), positive[held_out])
    assert found == isolation(matrix, positive, held_out, seed=4)
    assert 0 <= found.fms <= 1 and found.record()["fms"] == found.fms


def test_latents_that_say_nothing():
    positive, matrix, held_out = field()
    found = isolation(sparse.csr_array(0 * matrix), positive, held_out)
    assert (found.root, found.depth, found.nodes, found.accuracy) == (None, 0, 1, 0.5)
    assert found.root_accuracy == 0.5 and found.local == 0


@pytest.mark.parametrize("options", [{"removed": 0}, {"levels": 0}])
def test_what_cannot_be(options):
    positive, matrix, held_out = field()
    with pytest.raises(InputError, match="removed and levels are 1 or more"):
        isolation(matrix, positive, held_out, **options)
    with pytest.raises(InputError, match="the 100 held-out documents are of one class"):
        isolation(matrix, positive & ~held_out, held_out)


def documents(n=24):
    texts = [f"{text} {'bride' if i % 2 else 'sea'}" for i, text in enumerate(sentences(n, seed=5))]
    return [Document(text, str(i), str(i % 2)) for i, text in enumerate(texts)]


def test_of_documents(lm):
    held = documents()
    found = isolate(lm, sae(), [*held, Document("the old sea", "x")], share=0.25)
    assert sum(found.documents) == 24 and found.documents[1] == 6
    assert found == isolate(lm, sae(), held, share=0.25)
    with pytest.raises(InputError, match="none of the documents is labelled"):
        isolate(lm, sae(), [Document("the old sea", "x")])


def test_means_are_those_of_capture(lm):
    held = documents(12)
    means = mean_latents(lm, sae(), held)
    np.testing.assert_allclose(means.toarray(), capture(lm, held, sae()).pool("mean").toarray())
