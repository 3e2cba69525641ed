"""Rows, plans and threads are kept apart, and no hook outlives its plan."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from saesteer.errors import InputError
from saesteer.model import LanguageModel, Tokens
from tests.model.small import Add, Apply, language_model


class AddByRequest:
    """Adds each request's own vector."""

    def __init__(self, values: torch.Tensor, hookpoint: str = "layers.1") -> None:
        self.hookpoint, self.values = hookpoint, values

    def __call__(self, x, at):
        return torch.where(at.mask[..., None], x + self.values[at.request][:, None], x)


def hooks(module: nn.Module) -> Iterator[object]:
    """Hooks of ours anywhere in the model (transformers has some of its own)."""
    for each in module.modules():
        for hook in (*each._forward_hooks.values(), *each._forward_pre_hooks.values()):
            if hook.__module__.startswith("saesteer"):
                yield hook
        assert not each._forward_pre_hooks_with_kwargs and not each._forward_hooks_always_called


VALUES = torch.randn(4, 16, generator=torch.Generator().manual_seed(5))


def test_each_row_has_its_own_strength_in_one_batch(lm, tokens):
    with lm.intervening([AddByRequest(VALUES)]):
        together = lm.logits(tokens)
    for row in range(4):
        with lm.intervening([Add("layers.1", VALUES[row])]):
            assert torch.equal(lm.logits(tokens)[row], together[row])  # the same batch shape: to the bit


def test_rows_that_are_not_selected_stay_as_they_are_to_the_bit(lm, tokens):
    plain = lm.logits(tokens)
    huge = torch.zeros(4, 16)
    huge[2] = torch.inf
    with lm.intervening([AddByRequest(huge)]):
        steered = lm.logits(tokens)
    assert torch.equal(steered[[0, 1, 3]], plain[[0, 1, 3]]) and steered[2].isnan().any()


def greedy(lm: LanguageModel, tokens: Tokens, **options) -> torch.Tensor:
    return lm.hf.generate(
        input_ids=tokens.ids, attention_mask=tokens.mask.long(), max_new_tokens=5, min_new_tokens=5,
        pad_token_id=0, **options,
    )[:, tokens.ids.shape[1] :]  # fmt: skip


def test_num_return_sequences_stay_with_their_request(llama, rows):
    tokens = Tokens.of(rows, "left")
    torch.manual_seed(0)
    with llama.intervening([AddByRequest(40 * VALUES)], requests=4):
        many = greedy(llama, tokens, do_sample=True, top_k=1, num_return_sequences=3)
        one = greedy(llama, tokens, do_sample=False)
    assert torch.equal(many, one.repeat_interleave(3, 0))
    assert not torch.equal(one, greedy(llama, tokens, do_sample=False))


def test_beams_stay_with_their_request(llama, rows):
    """Beams are reordered within a request; each request alone gives what it gives among others."""
    tokens = Tokens.of(rows, "left")
    with llama.intervening([AddByRequest(40 * VALUES)], requests=4):
        together = greedy(llama, tokens, num_beams=3, do_sample=False)
    for row in range(4):
        with llama.intervening([Add("layers.1", 40 * VALUES[row])]):
            assert torch.equal(greedy(llama, tokens, num_beams=3, do_sample=False)[row], together[row])


def test_our_own_generation_keeps_requests_apart_however_rows_are_batched(llama, rows):
    tokens = Tokens.of(rows)
    small = LanguageModel(llama.hf, llama.tokenizer, batch_tokens=40)
    kwargs = {"n": 3, "max_new_tokens": 6, "seed": 4}
    with llama.intervening([AddByRequest(4 * VALUES)], requests=4):
        together = llama.generate(tokens, **kwargs)
    with small.intervening([AddByRequest(4 * VALUES)], requests=4):
        apart = small.generate(tokens, **kwargs)
    assert [row.ids for row in together] == [row.ids for row in apart]
    for row in range(4):
        with llama.intervening([Add("layers.1", 4 * VALUES[row])]):
            assert [each.ids for each in llama.generate(tokens, **kwargs).rows[3 * row : 3 * row + 3]] == [
                each.ids for each in together.rows[3 * row : 3 * row + 3]
            ]


def test_more_prompts_than_requests_are_shared_out_in_order(llama, tokens):
    with llama.intervening([AddByRequest(VALUES)], requests=2):
        shared = llama.logits(tokens)
    with llama.intervening([AddByRequest(VALUES[[0, 0, 1, 1]])]):
        assert torch.equal(llama.logits(tokens), shared)


def test_rows_can_be_named_in_any_order(llama, tokens):
    with llama.intervening([AddByRequest(VALUES)], requests=4):
        straight = llama.logits(tokens)
        with llama.rows([2, 0, 3]), torch.no_grad():
            part = tokens[torch.tensor([2, 0, 3])]
            named = llama.hf(
                input_ids=part.ids, attention_mask=part.mask.long(), position_ids=part.positions()
            ).logits
            assert torch.allclose(named, straight[[2, 0, 3]], atol=1e-4)
            with pytest.raises(InputError, match="names 3 rows and the call has 4"):
                llama.hf(input_ids=tokens.ids)
    with (
        pytest.raises(InputError, match="5 and the steering has 4"),
        llama.intervening([Add("embed", 1.0)], 4),
        llama.rows([5, 0]),
    ):
        llama.hf(input_ids=tokens.ids[:2])


def test_rows_that_cannot_be_shared_out_are_refused(llama, tokens):
    with (
        llama.intervening([Add("layers.1", 1.0)], requests=3),
        pytest.raises(InputError, match="4 rows cannot"),
    ):
        llama.logits(tokens)
    with pytest.raises(InputError, match="at least 1, got 0"), llama.intervening([], requests=0):
        pass


def test_plans_nest_and_apply_in_order(llama, tokens):
    with llama.intervening([Add("layers.1", 1.0), Apply("layers.1", lambda x: 2 * x)]):
        together = llama.logits(tokens)
    with llama.intervening([Add("layers.1", 1.0)]), llama.intervening([Apply("layers.1", lambda x: 2 * x)]):
        assert torch.equal(llama.logits(tokens), together)
    with llama.intervening([Apply("layers.1", lambda x: 2 * x)]), llama.intervening([Add("layers.1", 1.0)]):
        assert not torch.equal(llama.logits(tokens), together)


def test_two_threads_steer_differently_at_once(llama, tokens):
    """Both plans are active, and hooks are there for both, while each thread computes again and again."""
    plain = llama.logits(tokens)
    expected = []
    for value in VALUES[:2]:
        with llama.intervening([Add("layers.1", value)]):
            expected.append(llama.logits(tokens))
    gate, wrong = threading.Barrier(3), []

    def work(number: int) -> None:
        gate.wait()
        for _ in range(10):
            with llama.intervening([Add("layers.1", VALUES[number])]):
                if not torch.equal(llama.logits(tokens), expected[number]):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    gate.wait()
    for _ in range(20):  # this thread has no plan
        if not torch.equal(llama.logits(tokens), plain):
            wrong.append(2)
    for thread in threads:
        thread.join()
    assert wrong == [] and not list(hooks(llama.hf))


def test_a_thread_without_a_plan_computes_the_plain_model(llama, tokens):
    plain, seen = llama.logits(tokens), []
    with llama.intervening([Add("layers.1", 1.0)]):
        thread = threading.Thread(target=lambda: seen.append(llama.logits(tokens)))
        thread.start()
        thread.join()
    assert torch.equal(seen[0], plain)


def test_a_context_that_outlives_its_plan_steers_no_more(llama, tokens):
    plain = llama.logits(tokens)
    with llama.intervening([Add("layers.1", 1.0)]):
        copied = contextvars.copy_context()
        assert not torch.equal(copied.run(llama.logits, tokens), plain)
    with llama.intervening([Add("layers.1", 2.0)]):  # the hook is there again, for this plan
        assert torch.equal(copied.run(llama.logits, tokens), plain)


def test_one_model_is_not_edited_by_the_plan_of_another(llama, gpt2, tokens):
    plain = gpt2.logits(tokens)
    with llama.intervening([Add("layers.1", 1.0)]):
        assert torch.equal(gpt2.logits(tokens), plain)
    seen = []

    def ask_the_other(x):
        with gpt2.intervening([Add("layers.1", 0.0)]):
            seen.append(gpt2.logits(tokens))
        return x

    with llama.intervening([Apply("layers.1", ask_the_other), Add("layers.1", 1.0)]):
        llama.logits(tokens)
    assert torch.equal(seen[0], plain)


def test_models_of_one_shape_are_kept_apart_though_both_have_hooks(llama, tokens):
    twin = language_model("qwen2")  # the same module paths
    plain = twin.logits(tokens)
    with llama.intervening([Add("layers.1", 1.0)]), twin.intervening([Add("layers.1", 0.0)]):
        assert torch.equal(twin.logits(tokens), plain)


def test_a_call_that_failed_is_over(llama, tokens):
    """Its positions are not taken for those of a part that is called by itself."""

    def fail(x):
        raise ZeroDivisionError

    block, x = llama.hf.model.layers[2], torch.zeros(4, 9, 16)
    with llama.intervening([Apply("layers.1", fail), Add("layers.2.in", 1.0)]):
        with pytest.raises(ZeroDivisionError):
            llama.logits(tokens)
        with pytest.raises(InputError, match="outside a call of the model"):
            block(x, position_embeddings=(torch.ones(4, 9, 4),) * 2)


def test_no_hook_is_left_after_an_exception_inside_one(llama, tokens):
    def fail(x):
        raise ZeroDivisionError

    plain = llama.logits(tokens)
    for at in llama.hookpoints():
        with pytest.raises(ZeroDivisionError), llama.intervening([Apply(at, fail), Add("layers.2", 1.0)]):
            llama.logits(tokens)
        assert not list(hooks(llama.hf))
    with pytest.raises(ZeroDivisionError), llama.intervening([Apply("layers.1", fail)]):
        llama.generate(tokens)
    with pytest.raises(ZeroDivisionError), llama.intervening([Apply("layers.1", fail)]):
        llama.record(tokens, ["layers.2"])
    assert not list(hooks(llama.hf)) and torch.equal(llama.logits(tokens), plain)


def test_an_exception_inside_a_hook_can_be_survived_within_the_plan(llama, tokens):
    broken = []

    def once(x):
        if not broken:
            broken.append(True)
            raise ZeroDivisionError
        return x + 1

    with llama.intervening([Apply("layers.1", lambda x: x + 1)]):
        expected = llama.logits(tokens)
    with llama.intervening([Apply("layers.1", once)]):
        with pytest.raises(ZeroDivisionError):
            llama.logits(tokens)
        assert torch.equal(llama.logits(tokens), expected)


def test_a_bad_hookpoint_installs_nothing(llama):
    with (
        pytest.raises(Exception, match=r"layers\.9"),
        llama.intervening([Add("layers.1", 1.0), Add("layers.9", 1.0)]),
    ):
        pass
    assert not list(hooks(llama.hf))


def test_hooks_are_there_only_while_needed(llama):
    with llama.intervening([Add("layers.1", 1.0)]):
        with llama.intervening([Add("layers.1", 1.0), Add("layers.2", 1.0)]):
            assert llama.hooks_installed() == 3
        assert llama.hooks_installed() == 2  # the model's own and the one site's
    assert llama.hooks_installed() == 0


def test_the_model_itself_is_untouched(tokens):
    lm = language_model("llama")
    before = {name: value.clone() for name, value in lm.hf.state_dict().items()}
    with lm.intervening([Add(at, 1.0) for at in lm.hookpoints()]):
        lm.generate(tokens, max_new_tokens=3)
    assert all(torch.equal(value, before[name]) for name, value in lm.hf.state_dict().items())
