"""Labelled stories: as many labels as tokens, and those of the sentences."""

import itertools

import pytest

from saesteer.errors import InputError
from saesteer.text import Document
from saesteer.world.labels import labelled_stories, labels_of
from saesteer.world.reading import judge_text
from saesteer.world.tokens import build_tokenizer
from saesteer.world.words import CONCEPTS


def test_every_token_has_the_concepts_of_its_sentence():
    texts, tokenizer = labelled_stories(), build_tokenizer()
    assert texts.concepts == CONCEPTS
    for document in itertools.islice(texts.documents, 20):
        labels = texts.labeller(document)
        assert labels.shape == (len(tokenizer(document.text)["input_ids"]) - 1, len(CONCEPTS))
        start = 0
        for verdict in judge_text(document.text).sentences:
            stop = start + len(tokenizer(verdict.text)["input_ids"]) - 1
            expected = [float(concept in verdict.concepts) for concept in CONCEPTS]
            assert (labels[start:stop] == expected).all()
            start = stop
        assert start == len(labels)


def test_a_text_without_a_seed():
    with pytest.raises(InputError, match="no story that says its seed"):
        labels_of(Document("The sea.", "here"))
