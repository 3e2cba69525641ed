"""Texts to rows of tokens: padding, BOS, what is refused."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import InputError, ShapeMismatch
from saesteer.model import LanguageModel, Tokens
from tests.model.small import WORDS, build, tokenizer

CAT, DOG, SAT = WORDS.index("cat"), WORDS.index("dog"), WORDS.index("sat")


def test_rows_are_padded_on_either_side(llama):
    right, left = llama.tokenize(["cat dog", "cat"]), llama.tokenize(["cat dog", "cat"], side="left")
    assert right.ids[right.mask].tolist() == left.ids[left.mask].tolist() == [1, CAT, DOG, 1, CAT]
    assert right.mask.tolist() == [[True, True, True], [True, True, False]]
    assert left.mask.tolist() == [[True, True, True], [False, True, True]]
    assert left.positions().tolist() == [[0, 1, 2], [0, 0, 1]]
    assert right.positions()[right.mask].tolist() == [0, 1, 2, 0, 1]
    assert right.lengths().tolist() == left.lengths().tolist() == [3, 2]


def test_bos_is_never_doubled(llama):
    assert llama.tokenize(["[bos] cat"]).ids.tolist() == llama.tokenize(["cat"]).ids.tolist() == [[1, CAT]]
    assert llama.tokenize(["cat"], bos=False).ids.tolist() == [[CAT]]


def test_a_chat_template_that_writes_bos_gets_no_second_one():
    words = tokenizer(bos_token="[bos]", eos_token="[eos]", pad_token="[pad]")
    words.chat_template = "{{ bos_token }}{% for each in messages %} {{ each['content'] }}{% endfor %}"
    lm, seen = LanguageModel(build("llama"), words), []
    text = words.apply_chat_template([{"role": "user", "content": "cat dog"}], tokenize=False)
    assert text.startswith("[bos]")
    assert lm.tokenize([text]).ids.tolist() == [[1, CAT, DOG]]

    class Look:
        hookpoint = "embed"

        def __call__(self, x, at):
            seen.append(at.ids.tolist())
            return x

    with lm.intervening([Look()]):
        lm.generate([text], max_new_tokens=2, stop=False)
    assert seen[0] == [[1, CAT, DOG]]


def test_a_tokenizer_without_bos_adds_none():
    lm = LanguageModel(build("llama"), tokenizer())
    assert lm.tokenize(["cat"]).ids.tolist() == [[CAT]]


def test_a_tokenizer_without_padding_pads(gpt2):
    lm = LanguageModel(build("llama"), tokenizer(bos_token="[bos]"))
    for each in (lm, gpt2):
        assert each.tokenize(["cat", "cat dog"]).mask.sum().item() == 5


def test_texts_are_cut_at_max_length(llama):
    assert llama.tokenize(["cat dog sat"], max_length=3).ids.tolist() == [[1, CAT, DOG]]
    with pytest.raises(InputError, match="max_length is at least 1, got 0"):
        llama.tokenize(["cat"], max_length=0)


def test_what_cannot_be_tokenized_is_refused(llama):
    with pytest.raises(InputError, match="texts is a list of strings"):
        llama.tokenize("cat")
    with pytest.raises(InputError, match="'' has no tokens, and no BOS"):
        llama.tokenize(["cat", ""], bos=False)
    assert llama.tokenize([""]).ids.tolist() == [[1]]
    with pytest.raises(InputError, match="side is 'left' or 'right', got 'up'"):
        llama.tokenize(["cat"], side="up")
    with pytest.raises(InputError, match="no tokenizer"):
        LanguageModel(build("llama")).tokenize(["cat"])
    with pytest.raises(InputError, match="no tokens to compute"):
        llama.logits(llama.tokenize([]))


def test_a_tokenizer_of_another_model_is_named(llama):
    words = tokenizer(bos_token="[bos]")
    words.add_tokens(["zebra"])
    with pytest.raises(InputError, match=r"token 64 of 'a zebra' and the model knows 64; they do not belong"):
        LanguageModel(llama.hf, words).tokenize(["a zebra"])


def test_rows_longer_than_the_model(llama):
    with pytest.raises(InputError, match="65 tokens in a row do not fit the model's 64 positions"):
        llama.logits(Tokens.of([[5] * 65]))
    with pytest.raises(InputError, match="70 tokens"):
        llama.generate(Tokens.of([[5] * 30]), max_new_tokens=40)


def test_tokens_are_rows_with_a_mask():
    with pytest.raises(ShapeMismatch, match=r"\[2, 3\] and mask \[2, 2\] must both be"):
        Tokens(torch.zeros(2, 3), torch.ones(2, 2))
    assert Tokens(torch.zeros(1, 2), torch.ones(1, 2)).mask.dtype == torch.bool


def test_parts_of_tokens(tokens):
    part = tokens[1:2].trimmed()
    assert part.ids.tolist() == [tokens.ids[1, :3].tolist()] and part.mask.all() and len(part) == 1
