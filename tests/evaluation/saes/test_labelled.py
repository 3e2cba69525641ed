"""One pass over texts beside the plain ways to each of its parts."""

import numpy as np
import pytest
import torch

from saesteer.errors import InputError
from saesteer.evaluation.saes.labelled import in_test, read_labelled
from saesteer.latents import capture
from saesteer.model import load_model
from saesteer.saes import ReLUSAE, SAEConfig
from saesteer.text import Document
from saesteer.training import evaluate_sae, fvu
from tests.latents.tiny import D_SAE, WIDTH, sae, save_model, sentences

TEXTS = sentences(40)


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return load_model(str(save_model(tmp_path_factory.mktemp("lm"))))


def _labels(document: Document) -> np.ndarray:
    """Per token whether it is the word sea, and the number of the document."""
    words = document.text.split()
    return np.array([[word == "sea", len(words) / 100] for word in words], dtype=np.float32)


def _sorted(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.lexsort(matrix.T)]


def test_latents_activations_and_labels_are_of_the_same_tokens(lm):
    found = read_labelled(lm, sae(), TEXTS, _labels, tokens=10_000)
    rows, tokens = capture(lm, TEXTS, sae()), found.tokens
    np.testing.assert_allclose(
        _sorted(tokens.latents.toarray()), _sorted(rows.matrix[rows.content].toarray()), atol=1e-5
    )
    again = sae().encode(torch.from_numpy(tokens.activations)).numpy()
    np.testing.assert_allclose(tokens.latents.toarray(), again, atol=1e-4)
    assert np.bincount(tokens.document).tolist() == [len(text.split()) for text in TEXTS]
    lengths = np.array([len(text.split()) for text in TEXTS])
    np.testing.assert_allclose(tokens.labels[:, 1], lengths[tokens.document] / 100)
    assert tokens.labels[:, 0].sum() == sum(text.split().count("sea") for text in TEXTS)
    sea = tokens.activations[tokens.labels[:, 0] > 0]
    embed = lm.record(lm.tokenize(["sea"]), ["layers.0"])["layers.0"][0, 1].numpy()
    assert len(sea) and np.corrcoef(sea.mean(0), embed)[0, 1] > 0.5


def test_the_figures_are_those_of_evaluate_sae(lm):
    found = read_labelled(lm, sae(), TEXTS, tokens=10_000)
    x = torch.cat([lm.record(lm.tokenize([text]), ["layers.0"])["layers.0"][0, 1:] for text in TEXTS])
    plain = evaluate_sae(sae(), [x])
    for name in ("fvu", "l0", "dead", "cosine", "tokens"):
        assert getattr(found.quality, name) == pytest.approx(getattr(plain, name), rel=1e-5), name
    assert found.tokens.labels.shape == (plain.tokens, 0)


def test_documents_are_not_torn_by_the_split(lm):
    document = np.repeat(np.arange(7), 3)
    test = in_test(document, 0)
    assert {tuple(test[document == each]) for each in range(7)} == {(True,) * 3, (False,) * 3}
    assert test.sum() == 9
    assert any((in_test(document, seed) != test).any() for seed in range(1, 5))
    tokens = read_labelled(lm, sae(), TEXTS, _labels, tokens=10_000, seed=3).tokens
    train, other = tokens.half(False), tokens.half(True)
    assert train.latents.shape[0] + other.latents.shape[0] == len(tokens.document)
    assert train.latents.nnz + other.latents.nnz == tokens.latents.nnz
    np.testing.assert_array_equal(other.activations, tokens.activations[tokens.test])


def test_the_budget_bounds_endless_texts(lm):
    def endless():
        while True:
            yield from TEXTS

    found = read_labelled(lm, sae(), endless(), tokens=200)
    assert 150 <= len(found.tokens.document) <= 200
    assert sum(int(each.mask.sum()) for each in found.batches) - 200 in range(13)
    with pytest.raises(InputError, match="tokens is 1 or more"):
        read_labelled(lm, sae(), TEXTS, tokens=0)


def _transcoder(**fields) -> ReLUSAE:
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(WIDTH, D_SAE, generator=draw),
        "W_dec": torch.randn(D_SAE, WIDTH, generator=draw) * 0.1,
        "b_enc": torch.zeros(D_SAE),
        "b_dec": torch.zeros(WIDTH),
    }
    names = {"hook_name": "layers.1.mlp.in", "hook_name_out": "layers.1.mlp"} | fields
    names |= {"apply_b_dec_to_input": False}
    return ReLUSAE(SAEConfig("transcoder", WIDTH, D_SAE, d_out=WIDTH, **names), tensors)


def test_a_transcoder_is_measured_where_it_writes(lm):
    coder = _transcoder()
    found = read_labelled(lm, coder, TEXTS, tokens=10_000)
    assert (found.read, found.write) == ("layers.1.mlp.in", "layers.1.mlp")
    parts = [lm.record(lm.tokenize([text]), [found.read, found.write]) for text in TEXTS]
    x, y = (torch.cat([each[at][0, 1:] for each in parts]) for at in (found.read, found.write))
    assert found.quality.fvu == pytest.approx(fvu(y, coder(x)), rel=1e-4)
    np.testing.assert_allclose(_sorted(found.tokens.activations), _sorted(y.numpy()), atol=1e-4)


def test_what_does_not_fit(lm):
    with pytest.raises(InputError, match="does not say what it writes"):
        read_labelled(lm, _transcoder(hook_name_out=""), TEXTS)
    with pytest.raises(InputError, match="does not say where it was trained"):
        read_labelled(lm, sae(hook_name=""), TEXTS)
    with pytest.raises(InputError, match=r"trained at layers\.0 but is used at layers\.1"):
        read_labelled(lm, sae(), TEXTS, at="layers.1")
