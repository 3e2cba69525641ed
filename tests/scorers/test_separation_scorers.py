"""Scorers whose figure is an area: surprisal, embedding, example-embedding, on tiny and on real models."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from saesteer.embeddings import Embedder
from saesteer.errors import InputError, UnknownName
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.embedded import Embedded
from saesteer.scorers.embedding import Embedding
from saesteer.scorers.example_embedding import ExampleEmbedding
from saesteer.scorers.loss import nats_behind
from saesteer.scorers.separation import separated
from saesteer.scorers.surprisal import Surprisal
from saesteer.scorers.wording import Wording, joined, wording_of
from tests.scorers.records import example_of, record, said
from tests.steering import tiny


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


def windows(texts, start=0, kind="active", value=1.0):
    found = []
    for at, text in enumerate(texts):
        tokens = [f" {word}" for word in text.split()]
        found.append(example_of(tokens, [value] * len(tokens), start + 10 * at, at % 2, kind))
    return tuple(found)


def told_apart():
    """Test windows of which the active ones share words with the explanation "ship sails"."""
    active = ("ship sails home", "old ship", "sails of a ship", "ship and crew")
    silent = ("green tea", "bread with butter", "quiet library", "seven lamps")
    return replace(
        record(),
        train=windows(("ship sails", "sails of ship"), 500),
        silent_train=windows(("tea and bread", "lamps in library"), 600, "random", 0.0),
        test=windows(active),
        silent_test=windows(silent, 100, "random", 0.0)[:2] + windows(silent[2:], 200, "semantic", 0.0),
    )


class CountsWords:
    """Two numbers: is there a word of ships, is there none; and how many texts it was asked for."""

    def __init__(self):
        self.asked = []

    def cut(self, text):
        return [text]

    def vectors(self, pieces):
        self.asked += pieces
        ships = np.array([float("ship" in piece or "sails" in piece) for piece in pieces])
        return np.stack([ships, 1 - ships], axis=1)

    def fingerprint(self):
        return "counts words"


def run(scorer, of, text="ship sails"):
    return asyncio.run(scorer.score(of, None if text is None else said(text)))


def test_they_are_in_the_table(lm):
    made = {"surprisal": Surprisal(lm), "embedding": Embedding("hashed_words")}
    made["example_embedding"] = ExampleEmbedding("hashed_words")
    for name, scorer in made.items():
        assert isinstance(scorer, SCORERS.get(name)) and isinstance(scorer, Scorer) and scorer.name == name


@pytest.mark.parametrize("make", [Embedding, ExampleEmbedding])
@pytest.mark.parametrize("embedder", ["hashed_words", CountsWords()])
def test_windows_near_the_explanation_score_one(make, embedder):
    found = run(make(embedder), told_apart())
    assert found.value == found.figures["auc"] == 1.0 and not found.failures
    assert [row["truth"] for row in found.rows] == [True] * 4 + [False] * 4
    parts = ("auc_quantile_0", "auc_quantile_1", "auc_random", "auc_semantic")
    assert [found.figures[each] for each in parts] == [1.0] * 4
    assert min(row["value"] for row in found.rows[:4]) > max(row["value"] for row in found.rows[4:])


@pytest.mark.parametrize("make", [Embedding, ExampleEmbedding])
def test_the_wrong_way_round_scores_nothing(make):
    of = told_apart()
    turned = replace(of, test=of.silent_test, silent_test=of.test)
    assert run(make(CountsWords()), turned).value == 0.0
    alike = replace(of, silent_test=of.test)
    assert run(make(CountsWords()), alike).value == 0.5


def test_an_explanation_that_says_nothing_has_a_cosine_of_nothing():
    found = run(Embedding("hashed_words"), told_apart(), "of the and")
    assert found.value == 0.5 and {row["value"] for row in found.rows} == {0.0}


def test_nearness_is_of_the_nearest_train_windows():
    of = replace(
        told_apart(), train=windows(("ship", "tea", "tea")), silent_train=(), test=windows(("ship",))
    )
    one, three = (ExampleEmbedding(CountsWords(), nearest=count).nearness(of) for count in (1, 9))
    assert one[0] == pytest.approx(1.0) and three[0] == pytest.approx(1 / 3)


def test_vectors_are_computed_once():
    embedder = CountsWords()
    scorer = Embedding(embedder)
    first = run(scorer, told_apart())
    count = len(embedder.asked)
    assert count == len(set(embedder.asked)) == 9
    assert run(scorer, told_apart()).rows == first.rows and len(embedder.asked) == count
    run(scorer, told_apart(), "tea")
    assert len(embedder.asked) == count + 1


def test_the_memory_of_vectors_is_bounded(monkeypatch):
    monkeypatch.setattr("saesteer.scorers.embedded.KEPT", 3)
    embedder = CountsWords()
    embed = Embedded(embedder)
    embed(["a", "b", "c"])
    embed(["a", "d"])  # b was asked for longest ago
    assert embed(["a", "c", "d"]).shape == (3, 2) and embedder.asked == ["a", "b", "c", "d"]
    embed(["b"])
    assert embedder.asked[-1] == "b"
    assert embed(["e", "f", "g", "h", "e"]).shape == (5, 2)


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (replace(told_apart(), test=()), "too_few_examples"),
        (replace(told_apart(), silent_test=()), "too_few_examples"),
    ],
)
def test_one_class_alone_is_a_typed_failure(of, kind, lm):
    for scorer in (Embedding(CountsWords()), ExampleEmbedding(CountsWords()), Surprisal(lm)):
        found = run(scorer, of)
        assert found.value is None and [each.kind for each in found.failures] == [kind] and not found.rows


def test_what_is_missing_is_a_typed_failure(lm):
    for scorer in (Embedding(CountsWords()), Surprisal(lm)):
        assert [each.kind for each in run(scorer, told_apart(), None).failures] == ["no_explanation"]
    none = run(ExampleEmbedding(CountsWords()), replace(told_apart(), train=()))
    assert [each.kind for each in none.failures] == ["too_few_examples"]
    assert run(ExampleEmbedding(CountsWords()), told_apart(), None).value == 1.0


def test_the_area_counts_only_what_it_is_named_for():
    of = told_apart()
    values = np.array([3.0, 0.5, 3.0, 0.5, 1.0, 1.0, 2.0, 0.0])
    found = separated("x", of, None, values).figures
    assert found["auc_quantile_0"] == 1.0 and found["auc_quantile_1"] == 0.25
    assert found["auc_random"] == 0.5 and found["auc_semantic"] == 0.75
    assert found["auc"] == 0.625


# Loss


def test_nats_are_of_the_text_behind_alone(lm):
    before, text = "the cat", " sat on the mat"
    nats, counts = nats_behind(lm, [before, ""], [text, text])
    tokens = lm.tokenize([before + text])
    loss = lm.nll(tokens)[0]
    assert counts.tolist() == [4, 4]
    assert nats[0] == pytest.approx(float(loss[2:].sum()), rel=1e-5)
    plain = lm.nll(lm.tokenize([text]))[0]
    assert nats[1] == pytest.approx(float(plain.sum()), rel=1e-5)


def test_nats_do_not_depend_on_the_other_texts(lm):
    texts = [" sat", " ran in the sea", "", " a wet mat , and then"] * 20
    before = ["the cat", "", "a dog", "the old dog"] * 20
    nats, counts = nats_behind(lm, before, texts)
    assert counts[:4].tolist() == [1, 4, 0, 6] and nats[2] == 0
    alone = [nats_behind(lm, [a], [b])[0][0] for a, b in zip(before[:4], texts[:4], strict=True)]
    assert nats == pytest.approx(alone * 20, rel=1e-4)
    assert nats_behind(lm, [], [])[0].shape == (0,)


def test_the_drop_is_of_the_mean_loss(lm):
    of = replace(
        record(), test=windows(("the cat sat",)), silent_test=windows(("a dog ran in",), 50, "random", 0.0)
    )
    scorer = Surprisal(lm, Wording("the {explanation} .", ("a mat .", "the sea .", "a dog .")))
    drops = scorer.drops(of, "sea")
    for window, drop in zip((*of.test, *of.silent_test), drops, strict=True):
        told, *untold = nats_behind(lm, ["the sea .", "a mat .", "a dog ."], [window.text] * 3)[0]
        assert drop == pytest.approx((np.mean(untold) - told) / len(window.tokens), abs=1e-5)


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        ("a wedding", "A story about a wedding."),
        ("a wedding.", "A story about a wedding."),
        (" a\nwedding", "A story about a↵wedding."),
        ("{explanation}", "A story about {explanation}."),
    ],
)
def test_an_explanation_is_put_into_words(explanation, expected):
    assert wording_of("titles").said(explanation) == expected
    assert wording_of("A story about {explanation}.").said(explanation) == expected


def test_wordings_are_checked():
    with pytest.raises(UnknownName, match="titels"):
        wording_of("titels")
    with pytest.raises(InputError, match="once"):
        Wording("nothing is said")
    with pytest.raises(InputError, match="tuple"):
        Wording("{explanation}", "nothing")
    assert Wording("{explanation}", ("a", "b")).unsaid("a") == ("b",)
    assert Wording("{explanation}", ("a",)).unsaid("a") == ("a",)
    plain = wording_of("plain")
    assert plain.said("a wedding").endswith("Excerpt:") and plain.dummies[0].endswith("Excerpt:")
    assert joined("A.", "b") == "A. b" and joined("A.", " b") == "A. b"
    assert joined("", "b") == "b" and joined("A.", "") == "A."


def test_settings_are_in_the_fingerprint(lm):
    made = [Surprisal(lm), Surprisal(lm, "titles"), Surprisal(tiny.llama(1)), Embedding("hashed_words")]
    made += [ExampleEmbedding("hashed_words"), ExampleEmbedding("hashed_words", 3), Embedding(CountsWords())]
    assert len({each.fingerprint() for each in made}) == len(made)
    assert Surprisal(lm).fingerprint() == made[0].fingerprint()


def test_an_embedder_is_what_the_protocol_says():
    embedder: Embedder = CountsWords()
    assert embedder.cut("a") == ["a"]
