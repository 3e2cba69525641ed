"""Logits and losses: padding, batches, agreement with the library."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError
from saesteer.model import LanguageModel, Tokens
from saesteer.model.doctor import TOLERANCE
from tests.model.small import Add


def test_a_rows_logits_do_not_depend_on_its_padding(any_lm, rows):
    limit = TOLERANCE[any_lm.dtype]
    left, right = Tokens.of(rows, "left"), Tokens.of(rows, fill=7)
    from_left, from_right = any_lm.logits(left), any_lm.logits(right)
    for row, ids in enumerate(rows):
        alone = any_lm.logits(Tokens.of([ids]))[0].float()
        for tokens, padded in ((left, from_left), (right, from_right)):
            gap = (padded[row][tokens.mask[row]].float() - alone).abs().max()
            assert gap <= limit * alone.std()


def test_logits_go_by_batches(llama, tokens):
    small = LanguageModel(llama.hf, llama.tokenizer, batch_tokens=18)
    assert torch.allclose(small.logits(tokens), llama.logits(tokens), atol=1e-4)


def test_nll_is_that_of_the_next_token_and_zero_at_padding(lm, rows, tokens):
    loss = lm.nll(tokens)
    assert loss.shape == (4, 8)
    for row, ids in enumerate(rows):
        logits = lm.logits(Tokens.of([ids]))[0]
        expected = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")
        assert torch.allclose(loss[row, : len(ids) - 1], expected, atol=1e-3)
        assert not loss[row, len(ids) - 1 :].any()
    left = lm.nll(Tokens.of(rows, "left"))
    assert torch.allclose(left.sum(-1), loss.sum(-1), atol=1e-2)


def test_nll_goes_by_batches_and_sees_edits(llama, tokens):
    small = LanguageModel(llama.hf, llama.tokenizer, batch_tokens=9)
    assert torch.allclose(small.nll(tokens), llama.nll(tokens), atol=1e-4)
    plain = llama.nll(tokens)
    with llama.intervening([Add("layers.1", torch.arange(16.0))]):
        assert not torch.allclose(llama.nll(tokens), plain, atol=0.1)


def test_a_token_that_the_model_does_not_know(llama):
    strange = Tokens(torch.tensor([[1, llama.vocab_size]]), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(InputError, match=rf"tokens 0 to {llama.vocab_size - 1}, got {llama.vocab_size}"):
        llama.logits(strange)


def test_nll_of_one_token_is_empty(llama):
    assert llama.nll(Tokens.of([[5], [6]])).shape == (2, 0)


def test_what_a_model_says_of_itself(llama, gpt2):
    assert repr(llama) == "LanguageModel('llama', llama, 3 layers, float32, cpu)"
    assert (llama.n_layers, llama.vocab_size, llama.max_positions) == (3, 64, 64)
    assert gpt2.max_positions == 64 and not llama.hf.training


def test_a_model_in_training_mode_is_put_into_evaluation(llama):
    llama.hf.train()
    assert not LanguageModel(llama.hf).hf.training
