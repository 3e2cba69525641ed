"""Each way of choosing latents finds those that are what it looks for."""

import sys

import pytest

from saesteer.concepts import CHOOSERS, REFERENCES, align_topic, combined, rank_latents, supervised
from saesteer.concepts.choosers import readers, topic_alignment
from saesteer.embeddings import load_embedder
from saesteer.errors import InputError, MissingExtra, UnknownName
from saesteer.latents import ByLabel, LabelledTexts
from saesteer.text import Concept, Document
from tests.concepts.writers import AT, BOTH, CONCEPT, READER, SEA, WRITER, about, clear_lm, coder

FIRST = {
    "contrast": "auroc",
    "logit_effect": "output_effect",
    "output_score": "output_score",
    "combined": "auroc",
    "lift": "lift",
    "supervised": "f1",
    "topic_alignment": "low",
}


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return clear_lm(tmp_path_factory.mktemp("clear"))


@pytest.fixture(scope="module")
def made(lm):
    return coder(lm)


def test_the_table_has_them_all():
    assert CHOOSERS.names() == sorted(FIRST)
    with pytest.raises(UnknownName, match="did you mean 'output_score'"):
        CHOOSERS.get("output_scores")


@pytest.mark.parametrize("name", FIRST)
def test_every_chooser_ranks_at_most_n_with_the_same_figures(lm, made, name):
    found = CHOOSERS.get(name)(lm, made, CONCEPT, None, 3)
    assert 1 <= len(found.rows) <= 3 and len(set(found.latents)) == len(found.rows)
    assert found.by == name and next(iter(found.best.figures)) == FIRST[name]
    assert all(row.weight > 0 for row in found.rows)
    about = found.provenance
    assert (about["concept"], about["hookpoint"]) == ("sets/sea", AT)
    assert (about["model"], about["sae"]) == (lm.fingerprint(), made.fingerprint())
    assert found == CHOOSERS.get(name)(lm, made, CONCEPT, AT, 3)


def test_reading_is_not_writing(lm, made):
    firsts = {name: CHOOSERS.get(name)(lm, made, CONCEPT, None, 2).latents for name in FIRST}
    assert set(firsts["contrast"]) == {READER, BOTH}
    assert set(firsts["logit_effect"]) == {WRITER, BOTH}
    assert firsts["lift"][0] == BOTH and READER not in firsts["lift"]


def test_a_filter_by_output_drops_readers_that_write_nothing(lm, made):
    scores = {row.latent: row.figures["output_score"] for row in combined(lm, made, CONCEPT, n=48).rows}
    floor = (scores[READER] + scores[BOTH]) / 2
    high, low = (READER, BOTH) if scores[READER] > scores[BOTH] else (BOTH, READER)
    found = combined(lm, made, CONCEPT, n=48, floor=floor)
    assert high in found.latents and low not in found.latents
    assert all(row.figures["output_score"] >= floor for row in found.rows)
    aurocs = [row.figures["auroc"] for row in found.rows]
    assert aurocs == sorted(aurocs, reverse=True)
    nothing = combined(lm, made, CONCEPT, n=48, floor=2.0)
    assert len(nothing.rows) == len(readers(rank_latents(lm, made, CONCEPT, evidence=0)))
    assert "none was dropped" in nothing.notes[-1]


def test_the_rank_product_weighs_both(lm, made):
    found = combined(lm, made, CONCEPT, n=48, rule="rank_product")
    products = [row.figures["rank_product"] for row in found.rows]
    assert products == sorted(products) and products[0] >= 1
    with pytest.raises(InputError, match="rule is one of filter, rank_product, got 'sum'"):
        combined(lm, made, CONCEPT, rule="sum")


def test_labels_of_tokens_decide(lm, made):
    """Positives that hold the words only now and then: the label of the token says where."""
    documents = [Document(text, text) for text in about(SEA, 60, 2)]

    def labeller(document):
        return [[float(word in SEA)] for word in document.text.split()]

    texts = LabelledTexts(documents, labeller, ("sea",))
    found = supervised(lm, made, CONCEPT, n=4, labelled=texts)
    assert found.latents[0] == BOTH and found.best.figures["f1"] > 0.9
    assert found.provenance["labels"] == "of tokens" and found.notes[0] == "labels: of tokens"
    unchecked = supervised(lm, made, CONCEPT, n=4, labelled=texts, check=False)
    assert "lift" not in unchecked.best.figures and {*unchecked.latents[:2]} == {READER, BOTH}
    by_side = supervised(lm, made, CONCEPT, n=4)
    assert by_side.provenance["labels"] == "of whole texts"
    assert by_side.best.figures["recall"] < found.best.figures["recall"]


def test_labels_that_say_too_little(lm, made):
    texts = LabelledTexts([Document(text, text, "0") for text in about(SEA, 9, 2)], ByLabel({}), ("sea",))
    with pytest.raises(InputError, match="has 0 tokens with 'sets/sea'"):
        supervised(lm, made, CONCEPT, labelled=texts)
    with pytest.raises(InputError, match="the labelled texts know sea, not 'land'"):
        supervised(lm, made, Concept("land", "", CONCEPT.positive, CONCEPT.negative), labelled=texts)


def test_alignment_without_reference_prompts_is_that_of_the_concepts_own_texts(lm, made):
    found = topic_alignment(lm, made, CONCEPT, embedder="hashed_words")
    assert set(found.latents[:2]) == {READER, BOTH}
    texts = (*CONCEPT.positive, *CONCEPT.negative)
    scores = align_topic(lm, made, CONCEPT.positive, texts, embedder="hashed_words")
    assert found.latents == tuple(row.latent for row in scores.top(20))
    assert [dict(row.figures) for row in found.rows] == [
        {"low": row.low, "score": row.score} for row in scores.top(20)
    ]
    assert found.provenance["alignment"]["reference_texts"] == 48 and found.notes[0].startswith("verdict: ")
    assert "no reference prompts" in found.notes[-1] and lm.name in found.notes[-1]
    fewer = topic_alignment(lm, made, CONCEPT, n=4, embedder="hashed_words", reference=texts[20:30])
    assert fewer.provenance["alignment"]["reference_texts"] == 10
    assert "no reference prompts" not in fewer.notes[-1]


def test_alignment_takes_the_prompts_that_the_model_has(lm, made, monkeypatch):
    texts = (*CONCEPT.positive[:9], *CONCEPT.negative[:9])
    monkeypatch.setitem(REFERENCES._table, lm.name, lambda: texts)
    found = topic_alignment(lm, made, CONCEPT, embedder="hashed_words")
    scores = align_topic(lm, made, CONCEPT.positive, texts, embedder="hashed_words")
    assert found.latents == tuple(row.latent for row in scores.top(20))
    assert found.provenance["alignment"]["reference_texts"] == 18
    assert not any("no reference prompts" in note for note in found.notes)


def test_alignment_without_the_extra_says_what_to_install(lm, made, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    load_embedder.cache_clear()
    with pytest.raises(MissingExtra, match=r"pip install 'saesteer\[embeddings\]'"):
        topic_alignment(lm, made, CONCEPT)
