"""A call inside a call: whose positions are whose, and what is kept from one step to the next."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import DynamicCache

from saesteer.model import LanguageModel
from saesteer.model.chunks import Chunk, Reader
from saesteer.model.positions import SpecialTokens
from saesteer.model.rows import Rows, Sharing
from tests.model.small import build, tokenizer

CPU = torch.device("cpu")
IDS = torch.tensor([[1, 5, 6]])


class Seeing:
    """An edit that notes where it stands."""

    hookpoint = "layers.0"

    def __init__(self):
        self.seen = []

    def __call__(self, x, at):
        self.seen.append(at)
        return x


def filled(length):
    cache = DynamicCache()
    cache.update(torch.zeros(1, 1, length, 2), torch.zeros(1, 1, length, 2), 0)
    return cache


def test_a_call_is_given_the_same_until_the_cache_has_grown():
    cache = filled(4)
    inputs = {"input_ids": IDS, "attention_mask": torch.ones(1, 7), "past_key_values": cache}
    chunk = Chunk(object(), nn.Identity(), inputs, Reader(SpecialTokens()))
    assert chunk.given(dict(inputs))
    for name, other in (
        ("input_ids", IDS.clone()),
        ("inputs_embeds", torch.ones(1, 3, 2)),
        ("attention_mask", None),
        ("past_key_values", filled(4)),
    ):
        assert not chunk.given({**inputs, name: other}), name
    cache.update(torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 3, 2), 0)
    assert not chunk.given(dict(inputs))


def test_the_base_model_called_twice_inside_one_call_of_the_top(monkeypatch):
    hf = build("llama")
    lm = LanguageModel(hf, tokenizer())
    plain, cache, edit = hf.forward, DynamicCache(), Seeing()

    def twice(input_ids, past_key_values, attention_mask=None):
        hf.model(input_ids, past_key_values=past_key_values)
        return plain(input_ids, past_key_values=past_key_values)

    monkeypatch.setattr(hf, "forward", twice)
    with lm.intervening([edit]):
        hf(IDS, past_key_values=cache)
        hf.model(IDS[:, :1])  # what came before has left nothing behind
    assert [at.start for at in edit.seen] == [0, 3, 0]
    assert [at.index[0].tolist() for at in edit.seen] == [[0, 1, 2], [3, 4, 5], [0]]


def test_a_call_that_fails_inside_leaves_nothing_behind():
    hf = build("llama")
    lm = LanguageModel(hf, tokenizer())
    edit = Seeing()
    with lm.intervening([edit]):
        with pytest.raises(IndexError):
            hf(torch.tensor([[10**6]]))
        hf(IDS)
    assert [at.ids.tolist() for at in edit.seen] == [IDS.tolist()]


def test_the_base_model_called_twice_remembers_what_it_saw(monkeypatch):
    hf, found = build("llama"), []
    lm = LanguageModel(hf, tokenizer())
    plain, cache = hf.forward, DynamicCache()

    class First(Seeing):
        def __call__(self, x, at):
            found.append(at.earliest(at.ids == 6, "six").tolist())
            return x

    def twice(input_ids, past_key_values):
        hf.model(input_ids, past_key_values=past_key_values)
        hf.model(input_ids[:, :1], past_key_values=past_key_values)
        return plain(input_ids[:, :1], past_key_values=past_key_values).logits  # and no cache

    monkeypatch.setattr(hf, "forward", twice)
    with lm.intervening([First()]):
        hf(IDS, past_key_values=cache)
    assert found == [[2], [2], [2]]


def test_a_call_broken_off_says_nothing_of_the_next_given_the_same():
    hf, edit = build("llama"), Seeing()
    lm, two = LanguageModel(hf, tokenizer()), IDS.repeat(2, 1)

    class CtrlC(Seeing):
        def __call__(self, x, at):
            if len(edit.seen) == 1:
                raise KeyboardInterrupt
            return x

    with lm.intervening([edit, CtrlC()], requests=2):
        with pytest.raises(KeyboardInterrupt), lm.rows([0, 1]):
            hf(two)
        with lm.rows([1, 0]):
            hf(two)
    assert [at.request.tolist() for at in edit.seen] == [[0, 1], [1, 0]]


def test_two_language_models_of_one_hugging_face_model_steer_at_once():
    hf = build("llama")
    one, other = LanguageModel(hf, tokenizer()), LanguageModel(hf, tokenizer())
    first, second = Seeing(), Seeing()
    with one.intervening([first]), other.intervening([second], requests=1):
        hf(IDS)
        hf.model(IDS.repeat(2, 1))
    assert [at.request.tolist() for at in first.seen] == [[0], [0, 1]]
    assert [at.request.tolist() for at in second.seen] == [[0], [0, 0]]


def test_gradients_after_a_call_in_inference_mode():
    hf, vectors = build("llama"), nn.Parameter(torch.ones(2, 16))
    lm, two = LanguageModel(hf, tokenizer()), IDS.repeat(2, 1)

    class Trained(Seeing):
        def __call__(self, x, at):
            return x + vectors[at.request].unsqueeze(1)

    with lm.intervening([Trained()], requests=2):
        with torch.inference_mode():
            hf(two)
        hf(two).logits.sum().backward()
    assert vectors.grad.abs().sum() > 0


def test_one_tensor_for_as_long_as_the_same_is_asked():
    sharing, known = Sharing(), Rows(torch.arange(4), 4)
    first = sharing.of(4, 2, known, CPU)
    assert first.tolist() == [0, 0, 1, 1]
    assert sharing.of(4, None, known, CPU).tolist() == [0, 1, 2, 3]  # another plan
    assert sharing.of(4, 2, known, CPU) is first
    assert sharing.of(8, 2, known, CPU).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert sharing.of(8, 2, Rows(torch.tensor([1, 0]), None, 1), CPU).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert sharing.of(8, 2, None, CPU).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_what_the_top_computes_after_its_base_model_has_positions_too():
    lm = LanguageModel(build("llama"), tokenizer())
    edit = Seeing()
    edit.hookpoint = "lm_head.in"
    with lm.intervening([edit]):
        lm.hf(IDS)
    assert [at.index.tolist() for at in edit.seen] == [[[0, 1, 2]]]
