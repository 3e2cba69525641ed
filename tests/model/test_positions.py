"""Where the chunk stands, as an edit sees it: padding, BOS, prompt, generated, however a model is called."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor
from transformers import StaticCache

from saesteer.errors import InputError
from saesteer.model import LanguageModel, Tokens
from saesteer.model.positions import Positions, SpecialTokens
from tests.model.small import build, language_model, tokenizer

T, F = True, False


@dataclass
class Spy:
    """An edit that changes nothing and remembers where it was."""

    hookpoint: str = "layers.1"
    seen: list[Positions] = field(default_factory=list)

    def __call__(self, x: Tensor, at: Positions) -> Tensor:
        assert at.mask.shape == x.shape[:2]
        self.seen.append(at)
        return x


def watch(lm: LanguageModel, call, requests: int | None = None) -> list[Positions]:
    spy = Spy()
    with lm.intervening([spy], requests), torch.no_grad():
        call()
    return spy.seen


def test_right_padding(llama):
    tokens = Tokens.of([[1, 9, 8], [9]])
    [at] = watch(llama, lambda: llama.logits(tokens))
    assert at.mask.tolist() == [[T, T, T], [T, F, F]]
    assert at.index[at.mask].tolist() == [0, 1, 2, 0]
    assert at.length.tolist() == [3, 1]
    assert at.last.tolist() == [[F, F, T], [T, F, F]] == at.generated.tolist()
    assert torch.equal(at.prompt, at.mask)
    assert at.bos.tolist() == [[T, F, F], [F, F, F]] == at.special.tolist()
    assert at.request.tolist() == [0, 1]
    assert torch.equal(at.ids, tokens.ids)


def test_left_padding(llama):
    [at] = watch(llama, lambda: llama.logits(Tokens.of([[1, 9, 8], [1]], "left")))
    assert at.mask.tolist() == [[T, T, T], [F, F, T]]
    assert at.index[at.mask].tolist() == [0, 1, 2, 0]
    assert at.last.tolist() == [[F, F, T], [F, F, T]]
    assert at.bos.tolist() == [[T, F, F], [F, F, T]]


def test_padding_is_known_from_the_mask_where_one_token_is_pad_eos_and_bos(gpt2):
    """Two rows of the same ids: in one the first is padding, in the other it is the text's own."""
    ids = torch.tensor([[1, 1, 9, 1], [1, 1, 9, 1]])
    mask = torch.tensor([[F, T, T, T], [T, T, T, T]])
    [at] = watch(gpt2, lambda: gpt2.logits(Tokens(ids, mask)))
    assert torch.equal(at.mask, mask)
    assert at.bos.tolist() == [[F, T, F, F], [T, F, F, F]]
    assert at.special.tolist() == [[F, T, F, T], [T, T, F, T]]
    assert at.length.tolist() == [3, 4]


def test_a_call_without_a_mask_is_all_content(gpt2):
    [at] = watch(gpt2, lambda: gpt2.hf(torch.ones(2, 3, dtype=torch.long)))
    assert at.mask.all() and at.index.tolist() == [[0, 1, 2]] * 2


def test_generation_step_by_step(llama):
    prompts = Tokens.of([[1, 9, 8], [9]])
    seen = watch(llama, lambda: llama.generate(prompts, max_new_tokens=3, stop=False))
    assert [at.ids.shape[1] for at in seen] == [3, 1, 1]
    assert seen[0].mask.tolist() == [[F, F, T], [T, T, T]] or seen[0].mask.tolist() == [[T, T, T], [F, F, T]]
    assert seen[0].generated.tolist() == [[F, F, T]] * 2
    assert torch.equal(seen[0].prompt, seen[0].mask)
    for step, at in enumerate(seen[1:]):
        assert at.generated.all() and at.mask.all() and at.last.all() and not at.prompt.any()
        rows = dict(zip(at.request.tolist(), at.length.tolist(), strict=True))
        assert rows == {0: 4 + step, 1: 2 + step}
        assert torch.equal(at.index[:, 0], at.length - 1)


def test_a_prompt_of_one_token_is_no_generated_one(llama):
    seen = watch(llama, lambda: llama.generate(Tokens.of([[9]]), max_new_tokens=2, stop=False))
    assert [at.prompt.tolist() for at in seen] == [[[T]], [[F]]]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3_text"])
@pytest.mark.parametrize(("cache", "attention"), [(None, "sdpa"), ("static", "sdpa"), ("static", "eager")])
def test_the_librarys_own_generate_is_seen_alike(name, cache, attention):
    lm = language_model(name, attention)
    prompts = Tokens.of([[1, 9, 8], [9]], "left")
    ours = watch(lm, lambda: lm.generate(prompts, max_new_tokens=4, stop=False, temperature=0))
    theirs = watch(
        lm,
        lambda: lm.hf.generate(
            input_ids=prompts.ids,
            attention_mask=prompts.mask.long(),
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
            pad_token_id=0,
            cache_implementation=cache,
            disable_compile=True,
        ),
    )
    assert len(ours) == len(theirs) == 4
    for a, b in zip(ours, theirs, strict=True):
        order = a.request.argsort()
        for name_of in ("ids", "mask", "index", "prompt", "generated", "last", "length"):
            mine, other = getattr(a, name_of)[order], getattr(b, name_of)
            if name_of in ("ids", "index"):  # arbitrary at padding
                mine, other = mine[a.mask[order]], other[b.mask]
            assert torch.equal(mine, other), name_of


def test_a_chunk_on_a_cache_that_was_filled_outside_is_generated(llama):
    """Two tokens at once, as in speculative decoding: phase is no matter of the chunk's length."""
    with torch.no_grad():
        cache = llama.hf(torch.tensor([[1, 9, 8]]), use_cache=True).past_key_values
    [at] = watch(llama, lambda: llama.hf(torch.tensor([[7, 6]]), past_key_values=cache))
    assert (
        at.generated.tolist() == [[T, T]] and at.index.tolist() == [[3, 4]] and at.last.tolist() == [[F, T]]
    )


def test_the_caller_can_say_where_the_prompt_ends(llama):
    tokens = Tokens.of([[1, 9, 8, 7], [1, 9]])
    [at] = watch(llama, lambda: llama.logits(tokens, prompt=torch.tensor([2, 1])))
    assert at.prompt.tolist() == [[T, T, F, F], [T, F, F, F]]
    assert at.generated.tolist() == [[F, T, T, T], [T, T, F, F]]


def test_embeddings_have_no_ids(llama):
    [at] = watch(llama, lambda: llama.hf(inputs_embeds=torch.zeros(2, 3, 16)))
    assert (at.ids == -1).all() and not at.special.any() and at.mask.all()


def test_a_part_of_the_model_called_by_itself_is_refused(llama):
    block = llama.hf.model.layers[1]
    with pytest.raises(InputError, match=r"layers.1 was computed outside a call of the model"):
        watch(llama, lambda: block(torch.zeros(1, 2, 16), position_embeddings=(torch.ones(1, 2, 4),) * 2))
    assert len(watch(llama, lambda: llama.hf.model(torch.tensor([[1, 9]])))) == 1


def test_an_earlier_call_that_was_broken_off_leaves_nothing(llama):
    def interrupt(*_):
        raise KeyboardInterrupt

    spy = Spy()
    with llama.intervening([spy]), torch.no_grad():
        handle = llama.hf.model.layers[2].register_forward_pre_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            llama.hf(torch.tensor([[1, 9, 8, 7]]))
        handle.remove()
        llama.hf(torch.tensor([[1, 9]]))
        assert spy.seen[-1].length.tolist() == [2]
    with pytest.raises(InputError, match="outside a call"), llama.intervening([spy]):
        llama.hf.model.layers[1](torch.zeros(1, 2, 16), position_embeddings=(torch.ones(1, 2, 4),) * 2)


def test_a_static_cache_has_a_mask_longer_than_the_text(llama):
    cache = StaticCache(config=llama.hf.config, max_cache_len=12)
    mask = torch.tensor([[0, 1, 1], [1, 1, 1]])
    [at] = watch(
        llama,
        lambda: llama.hf(
            torch.tensor([[5, 9, 8], [1, 9, 8]]), attention_mask=mask, past_key_values=cache, use_cache=True
        ),
    )
    assert torch.equal(at.mask, mask.bool())


def test_special_tokens_without_a_tokenizer_are_the_configs():
    lm = LanguageModel(build("llama"))
    [at] = watch(lm, lambda: lm.logits(Tokens.of([[1, 9, 2, 0, 1]])))
    assert at.special.tolist() == [[T, F, T, T, T]]
    assert at.bos.tolist() == [
        [T, F, F, F, T]
    ]  # this BOS is nothing else, so the second is one too (packed rows)


def test_a_tokenizer_without_special_tokens():
    lm = LanguageModel(build("llama"), tokenizer())
    [at] = watch(lm, lambda: lm.logits(Tokens.of([[1, 9, 2]])))
    assert not at.special.any() and not at.bos.any()


def test_many_special_tokens_are_found_at_once():
    ids = torch.tensor([[0, 1, 7, 49, 59, -1]])
    for size in (60, None):
        special = SpecialTokens(frozenset(range(0, 50, 7)), vocab_size=size)
        assert special.find(ids).tolist() == [[T, F, T, T, F, F]]
        assert not SpecialTokens(vocab_size=size).find(ids).any()


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("chunk", [1, 4])
def test_no_mask_is_a_mask_of_ones(start, chunk):
    ids = torch.randint(0, 9, (3, chunk))
    special = SpecialTokens(frozenset({1, 2}), 1, vocab_size=9)
    ones = torch.ones(3, start + chunk, dtype=torch.bool)
    a, b = (Positions(ids, torch.arange(3), seen, start, special) for seen in (None, ones))
    for name in ("mask", "index", "ordinary", "special", "bos", "prompt", "generated", "last", "length"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def test_padding_is_not_ordinary_whatever_its_id():
    ids = torch.tensor([[5, 1, 7]])
    at = Positions(
        ids, torch.arange(1), torch.tensor([[F, T, T]]), 0, SpecialTokens(frozenset({1}), vocab_size=9)
    )
    assert at.ordinary.tolist() == [[F, F, T]]
