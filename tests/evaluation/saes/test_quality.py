"""The whole measurement, where every answer is known: an SAE whose latents are the words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation.saes import SAEReport, sae_quality
from saesteer.latents import ByColumn
from saesteer.model import load_model
from saesteer.saes import ReLUSAE, SAEConfig, load_sae
from saesteer.text import Document
from tests.latents.tiny import WIDTH, save_model, sentences

TEXTS = sentences(120)
SEA = ("sea", "ship", "wave", "sailor")


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return load_model(str(save_model(tmp_path_factory.mktemp("lm"))))


@pytest.fixture(scope="module")
def words(lm) -> ReLUSAE:
    """At the embeddings: one latent for each token of the vocabulary, which alone fires there."""
    table = lm.hf.get_input_embeddings().weight.detach()
    inverse = torch.linalg.pinv(
        table
    )  # table @ inverse is the identity, as there are fewer tokens than width
    tensors = {"W_enc": inverse, "W_dec": table.clone(), "b_enc": torch.full((len(table),), -0.01)}
    tensors |= {"b_dec": torch.zeros(WIDTH)}
    cfg = SAEConfig("standard", WIDTH, len(table), hook_name="embed", apply_b_dec_to_input=False)
    return ReLUSAE(cfg, tensors)


def _labels(document: Document) -> np.ndarray:
    """The word bride; words of the sea; a word that is not there."""
    words = document.text.split()
    return np.array([[word == "bride", word in SEA, word == "rocket"] for word in words], dtype=np.float32)


@pytest.fixture(scope="module")
def found(lm, words) -> SAEReport:
    return sae_quality(lm, words, TEXTS, _labels, concepts=("bride", "of the sea", "rocket"), tokens=5000)


def test_a_perfect_sae_of_the_words(found):
    s = found.summary
    assert s["fvu"] < 1e-3 and s["l0"] == pytest.approx(1, abs=1e-3) and s["cosine"] > 0.999
    assert s["dead"] == pytest.approx(4 / 23)  # pad, BOS, EOS and unknown
    assert s["loss_spliced"] == pytest.approx(s["loss_plain"], abs=1e-2)
    assert (s["concepts"], s["concepts_left_out"], s["detected_0.8"]) == (2, 1, 1)
    assert (found.provenance["read"], found.provenance["write"]) == ("embed", "embed")


def test_a_word_is_its_latent_and_a_group_of_words_is_split(lm, found):
    bride, sea = found.rows
    latent = lm.tokenize(["bride"]).ids[0, 1].item()
    assert bride.match.best.latent == bride.match.assigned.latent == latent
    assert (bride.match.best.precision, bride.match.best.recall, bride.match.best.f1) == (1, 1, 1)
    assert bride.absorption.main == (latent,)
    assert bride.base_rate == bride.positives / bride.tokens < 0.1
    assert bride.chance_f1 == pytest.approx(2 * bride.base_rate / (1 + bride.base_rate))
    assert sea.match.best.precision == 1 and sea.match.best.recall < 0.5
    assert sea.probe(1).f1 < 0.6 and sea.probe(5).f1 == 1 and sea.probe(None).f1 > 0.95
    assert len(sea.absorption.main) == 4 and sea.absorption.absorbed == 0
    assert sea.probe(3) is None


def test_a_concept_without_tokens_is_left_out_with_its_reason(found):
    assert [each.concept for each in found.left_out] == ["rocket"]
    assert (
        "0 tokens with it, of 0 documents, in the first half; 10 of 2 are needed" in found.left_out[0].reason
    )
    with pytest.raises(InputError, match="no row for 'rocket': 0 tokens"):
        found.row("rocket")
    assert found.row("bride").concept == "bride"


def test_the_same_seed_gives_the_same(lm, words, found):
    given = {"concepts": ("bride", "of the sea", "rocket"), "tokens": 5000}
    assert sae_quality(lm, words, TEXTS, _labels, **given) == found
    assert sae_quality(lm, words, TEXTS, _labels, seed=1, **given).rows != found.rows


def test_it_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path)
    assert SAEReport.load(tmp_path) == found
    empty = replace(found, rows=())
    assert SAEReport.load(empty.save(tmp_path / "empty")) == empty
    (tmp_path / "rows.parquet").write_bytes((tmp_path / "empty/rows.parquet").read_bytes())
    with pytest.raises(CorruptFile, match="was changed since it was saved"):
        SAEReport.load(tmp_path)
    (tmp_path / "quality.json").write_text("[]")
    with pytest.raises(CorruptFile, match="not of this version"):
        SAEReport.load(tmp_path)


def test_without_labels_there_are_no_rows(lm, words):
    found = sae_quality(lm, words, TEXTS, tokens=300)
    assert found.rows == found.left_out == () and found.summary["concepts"] == 0
    assert found.summary["f1"] is None and found.summary["fvu"] < 1e-3


def test_columns_name_their_concepts_and_nobody_knows_is_an_error(lm, words):
    documents = [Document(text, text, meta={"a": "sea" in text}) for text in TEXTS]
    found = sae_quality(lm, words, documents, ByColumn(("a",)), tokens=2000)
    assert [row.concept for row in found.rows] == ["a"]
    with pytest.raises(InputError, match="no text says anything of b, c"):
        sae_quality(lm, words, documents, ByColumn(("b", "c")), tokens=300)
    with pytest.raises(InputError, match="there are 1 names of concepts but 3 labels"):
        sae_quality(lm, words, TEXTS, _labels, concepts=("a",), tokens=300)
    with pytest.raises(InputError, match="there are no texts for the model"):
        sae_quality(lm, words)


@pytest.mark.slow
def test_the_world_brings_its_own_truth():
    steps = []
    found = sae_quality(
        load_model("world"),
        load_sae("world/layers.4.attn"),
        tokens=4000,
        progress=lambda *step: steps.append(step),
    )
    assert found.rows and found.summary["fvu"] < 0.05
    assert found.summary["f1"] > found.summary["chance_f1"]
    assert {label.split()[0] for label, *_ in steps} == {"reading", "matching", "probing"}
