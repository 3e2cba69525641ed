"""A topic's texts to scores and a verdict, on tiny models and on the world."""

import numpy as np
import pytest

from saesteer.concepts import REFERENCES, align_topic, contrast_topic
from saesteer.concepts.alignment import topic_scores
from saesteer.concepts.summaries import summarise_texts
from saesteer.embeddings import embed
from saesteer.errors import InputError, UnknownName
from saesteer.model import load_model
from saesteer.saes import load_sae
from saesteer.text import read_prompts
from saesteer.world.reference import reference_prompts, topic_texts
from saesteer.world.words import CONCEPTS
from tests.steering import tiny

REFERENCE = ["the cat sat on the mat", "a dog ran in the sea", "the old rug", "a wet cat swam", "the dog sat"]
TOPIC = ["a cat swam in the sea", "the wet sea"]


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


@pytest.fixture(scope="module")
def sae():
    return tiny.sae("topk", hook_name="layers.1")


def test_the_way_from_texts_to_scores(lm, sae):
    found = align_topic(lm, sae, TOPIC, REFERENCE, name="sea", embedder="hashed_words", summary="max")
    cosines = embed(REFERENCE, "hashed_words") @ embed(TOPIC, "hashed_words").T
    read = summarise_texts(lm, sae, REFERENCE, "layers.1", "max")
    expected, supported = topic_scores(read.matrix, 2 - 2 * cosines.max(1))
    np.testing.assert_allclose(found.values(), expected, atol=1e-9)
    assert sorted(found.unsupported) == np.flatnonzero(~supported).tolist()
    assert found.home.hookpoint == "layers.1" and found.topic == "sea"
    assert found.summary["coverage_reference"] == pytest.approx(supported.mean())
    assert found.summary["topic_tokens"] == 9
    assert found.provenance["embedder"] == "hashed_words" and found.provenance["reference_texts"] == 5
    if len(found.unsupported):
        assert "active on no reference prompt: masked" in found.notes[0]


def test_without_uncertainty_nothing_is_claimed(lm, sae):
    found = align_topic(lm, sae, TOPIC, REFERENCE, embedder="hashed_words", uncertainty=False)
    assert found.verdict.word == "not measured" and found.rows[0].low is None
    assert "coverage_topic" not in found.summary
    whole = align_topic(lm, sae, TOPIC, REFERENCE, embedder="hashed_words")
    np.testing.assert_array_equal(found.values(), whole.values())


def test_the_contrast_needs_no_embedder(lm, sae):
    found = contrast_topic(lm, sae, TOPIC, REFERENCE)
    assert found.provenance["form"] == "contrasted" and "embedder" not in found.provenance
    best = found.top(1, "score")[0]
    own = summarise_texts(lm, sae, TOPIC, "layers.1")
    assert best.level == pytest.approx(own.levels[best.latent])


def test_reference_prompts_by_name_file_or_model(lm, sae, tmp_path):
    file = tmp_path / "d_ref.csv"
    file.write_text(",0\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(REFERENCE)))
    named = align_topic(lm, sae, TOPIC, str(file), embedder="hashed_words", uncertainty=False)
    given = align_topic(lm, sae, TOPIC, REFERENCE, embedder="hashed_words", uncertainty=False)
    assert named == given
    with pytest.raises(UnknownName, match="set of reference prompts 'wrld'; did you mean 'world'"):
        align_topic(lm, sae, TOPIC, "wrld")
    plain = tmp_path / "d_ref"  # a file, though nothing in its name says so
    plain.write_text("\n".join(REFERENCE))
    with pytest.raises(InputError, match=r"d_ref is of no known kind of texts; give \.txt"):
        align_topic(lm, sae, TOPIC, str(plain))
    with pytest.raises(InputError, match="no reference prompts for the model 'llama-0'"):
        align_topic(lm, sae, TOPIC)
    with pytest.raises(InputError, match="topic texts are a list of two or more"):
        align_topic(lm, sae, "the sea", REFERENCE)


def test_tables_with_an_index_and_one_column(tmp_path):
    file = tmp_path / "d_align.csv"
    file.write_text(',0\n0,"A long, long text"\n1,Another\n')
    assert [each.text for each in read_prompts(file)] == ["A long, long text", "Another"]
    file.write_text("text,label\nA cat,x\n")
    assert [each.text for each in read_prompts(file)] == ["A cat"]
    file.write_text(",0\n0,\n")
    with pytest.raises(InputError, match="line 2: column '0' is empty"):
        read_prompts(file)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'text'"):
        read_prompts(file)


def test_the_worlds_twins_of_the_papers_texts():
    prompts, texts = reference_prompts(), topic_texts("sea")
    assert (len(set(prompts)), len(set(texts))) == (150, 20)
    assert REFERENCES.get("world")() == prompts and reference_prompts(seed=1) != prompts
    assert len(reference_prompts(2 * len(CONCEPTS))) == 2 * len(CONCEPTS)


@pytest.mark.slow
def test_on_the_world_the_verdict_and_the_latents_are_of_the_topic():
    lm, sae = load_model("world"), load_sae("world/layers.3")
    found = contrast_topic(lm, sae, topic_texts("sea", 12), reference_prompts(80))
    best = [row.latent for row in found.top(5)]
    read = summarise_texts(lm, sae, topic_texts("sea", 24)[12:], "layers.3")
    other = summarise_texts(lm, sae, topic_texts("war", 12), "layers.3")
    assert read.matrix[:, best].sum() > 5 * other.matrix[:, best].sum()
    assert found.verdict.word in ("trusted", "doubtful")
