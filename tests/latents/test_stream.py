"""Streams of several hookpoints: one forward pass, the same tokens, labels, taken up anywhere."""

from itertools import islice

import numpy as np
import pytest
import torch

from saesteer.errors import InputError, MissingHookpoint, ShapeMismatch
from saesteer.latents import (
    ActivationSource,
    ActivationStream,
    ByColumn,
    ByLabel,
    StoredStream,
    matching,
    store_activations,
)
from saesteer.text import Document, read_texts
from tests.latents.tiny import sentences

TEXTS = sentences(60)
SMALL = {"batch_tokens": 16, "buffer_tokens": 64, "forward_tokens": 64}


def same(one, two) -> bool:
    return all(torch.equal(one.activations[at], two.activations[at]) for at in one.activations)


def test_two_hookpoints_hold_the_same_tokens_as_each_alone(lm):
    both = list(ActivationStream(lm, TEXTS, "layers.*", **SMALL))
    assert list(both[0].activations) == ["layers.0", "layers.1"] and both[0].labels is None
    for at in ("layers.0", "layers.1"):
        alone = list(ActivationSource(lm, TEXTS, at, **SMALL))
        assert len(alone) == len(both) > 10
        assert all(torch.equal(a, b.activations[at]) for a, b in zip(alone, both, strict=True))


MANY = sentences(600, seed=1)


@pytest.mark.parametrize("done", [0, 1, 3, 11, 150, 270])
def test_taken_up_anywhere_it_is_the_same_and_little_is_computed_again(lm, done, monkeypatch):
    stream = ActivationStream(lm, MANY, ["layers.0", "layers.1"], **SMALL)
    whole = list(stream)
    calls = []
    record = type(lm).record
    monkeypatch.setattr(type(lm), "record", lambda *args, **more: calls.append(1) or record(*args, **more))
    list(stream)
    all_calls = len(calls)
    calls.clear()
    rest = list(stream.after(done))
    assert len(rest) == len(whole) - done
    assert all(map(same, rest, whole[done:]))
    assert len(calls) < all_calls * (1 - done / len(whole)) + 15


def test_documents_repeat(lm):
    once = ActivationStream(lm, TEXTS, "layers.0", **SMALL)
    again = ActivationStream(lm, TEXTS, "layers.0", **SMALL, repeat=True)
    assert len(list(islice(again, 100))) == 100 > len(list(once))
    with pytest.raises(InputError, match="can be read only once"):
        ActivationStream(lm, iter(TEXTS), "layers.0", **SMALL, repeat=True)
    with pytest.raises(InputError, match="there are 0 tokens"):
        next(iter(ActivationStream(lm, [], "layers.0", **SMALL, repeat=True)))


def test_processes_share_the_documents(lm):
    parts = [list(ActivationStream(lm, TEXTS, "layers.0", 1, 8, share=(i, 2))) for i in range(2)]
    whole = list(ActivationStream(lm, TEXTS, "layers.0", 1, 8))
    assert sum(map(len, parts)) == len(whole) and min(map(len, parts)) > len(whole) / 3


def marked(document: Document) -> np.ndarray:
    """Per token: its place, as a share of ten."""
    return np.arange(len(document.text.split()))[:, None] / 20


def test_labels_lie_beside_their_tokens(lm):
    documents = [Document(text, str(i), str(i % 2), {"a": i / 60}) for i, text in enumerate(TEXTS)]
    stream = ActivationStream(lm, documents, "layers.0", **SMALL, skip=(), labeller=ByColumn(("a", "b")))
    seen = {}
    for batch in stream:
        assert batch.labels.shape == (16, 2) and batch.labels[:, 1].isnan().all()
        for x, label in zip(batch.activations["layers.0"], batch.labels[:, 0].tolist(), strict=True):
            seen[tuple(x.tolist())] = label
    for number in (0, 17, 59):  # as the model says it of one document alone, up to rounding
        x = lm.record(lm.tokenize([TEXTS[number]]), at=["layers.0"])["layers.0"][0]
        found = [min(seen, key=lambda each, row=row: float((torch.tensor(each) - row).norm())) for row in x]
        labels = [
            seen[each] for each in found
        ]  # those of the first words, with which others begin too, aside
        assert np.isnan(labels[0]) and labels[-1] == pytest.approx(number / 60)


@pytest.mark.parametrize(
    ("told", "number"),
    [("True", 1.0), ("FALSE", 0.0), (" yes ", 1.0), ("no", 0.0), ("0.5", 0.5), (False, 0.0)],
)
def test_a_tables_words_for_true_and_false_are_labels(told, number):
    assert ByColumn(("a",))(Document("x", "x", None, {"a": told})) == [number]
    assert ByLabel({})(Document("x", "x", str(told))) == [number]
    assert ByLabel({"no": 1.0})(Document("x", "x", "no")) == [1.0]  # what is named goes first
    for blank in (" ", None, "nan"):
        assert np.isnan(ByColumn(("a",))(Document("x", "x", None, {"a": blank})))
        assert np.isnan(ByLabel({})(Document("x", "x", blank)))


def test_the_label_column_is_a_column_too(tmp_path):
    (tmp_path / "t.csv").write_text("text,label,a\nx,True,1\ny,,0\n")
    found = [ByColumn(("label", "a"))(each) for each in read_texts(tmp_path / "t.csv")]
    assert found[0] == [1.0, 1.0] and np.isnan(found[1][0]) and found[1][1] == 0


def test_labels_of_tokens_and_taken_up(lm):
    stream = ActivationStream(lm, TEXTS, "layers.0", **SMALL, labeller=marked)
    whole, rest = list(stream), list(stream.after(9))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(whole[9:], rest, strict=True))
    values = torch.cat([each.labels for each in whole])
    assert set((values[:, 0] * 20).round().int().tolist()) == set(range(12))


def test_labels_by_name_and_number():
    labeller = ByLabel({"toxic": 1.0, "clean": 0.0})
    found = [labeller(Document("x", "x", label))[0] for label in ("toxic", "clean", "0.25", "odd", None)]
    assert found[:3] == [1.0, 0.0, 0.25] and np.isnan(found[3:]).all()
    with pytest.raises(InputError, match="a label is from 0 to 1, got '3'"):
        labeller(Document("x", "text 9", "3"))
    assert ByColumn(("a",))(Document("x", "x", None, {"a": True})) == [1.0]
    with pytest.raises(InputError, match="text 9: a is a number from 0 to 1"):
        ByColumn(("a",))(Document("x", "text 9", None, {"a": "very"}))


def test_labels_that_do_not_fit(lm):
    def odd(document):
        return [0.0] * (1 + len(document.text) % 2)

    with pytest.raises(ShapeMismatch, match="give as many to all"):
        list(ActivationStream(lm, TEXTS, "layers.0", **SMALL, labeller=odd))
    with pytest.raises(ShapeMismatch, match="has labels for 1 tokens"):
        list(ActivationStream(lm, TEXTS, "layers.0", **SMALL, labeller=lambda _: np.zeros((1, 1))))


def test_a_store_is_a_stream(lm, tmp_path):
    store = store_activations(tmp_path, lm, TEXTS, ["layers.0", "layers.1"], shard_tokens=40, labeller=marked)
    stream = StoredStream(store, batch_tokens=16, buffer_tokens=64, seed=2)
    whole = list(stream)
    assert stream.hookpoints == ("layers.0", "layers.1") and whole[0].labels.shape == (16, 1)
    alone = list(store.batches("layers.1", 16, buffer_tokens=64, seed=2))
    assert all(torch.equal(a, b.activations["layers.1"]) for a, b in zip(alone, whole, strict=True))
    rest = list(stream.after(7))
    assert all(map(same, rest, whole[7:])) and len(rest) == len(whole) - 7
    again = StoredStream(store, "layers.0", batch_tokens=16, buffer_tokens=64, repeat=True)
    assert len(list(islice(again, 100))) == 100
    assert store_activations(tmp_path, lm, TEXTS, store.hookpoints, shard_tokens=40).folder != store.folder
    with pytest.raises(MissingHookpoint, match=r"the store has layers.0, layers.1, got 'layers.9'"):
        StoredStream(store, "layers.9")


def test_patterns_of_hookpoints(lm):
    assert matching(lm, "layers.*") == ("layers.0", "layers.1")
    assert matching(lm, ["layers.*.mlp", "layers.[1-9]"]) == ("layers.0.mlp", "layers.1.mlp", "layers.1")
    assert matching(lm, ["blocks.1.hook_resid_post", "layers.*"]) == ("layers.1", "layers.0")
    with pytest.raises(MissingHookpoint, match=r"no hookpoint of .* matches 'layer.*'"):
        matching(lm, "layer.*")
