"""Continuations: the library's own tokens, stability of rows, edits by phase."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from saesteer.errors import InputError
from saesteer.model import LanguageModel, Tokens
from saesteer.model.generation import Job, batches
from saesteer.model.sampling import Sampling
from tests.model.small import Add, Apply, build, language_model

PROMPTS = ["the cat sat on", "a", "the dog", "the"]


def ids_of(generations) -> list[tuple[int, ...]]:
    return [row.ids for row in generations]


def test_greedy_tokens_are_the_librarys(lm):
    tokens = lm.tokenize(PROMPTS, side="left")
    theirs = lm.hf.generate(
        input_ids=tokens.ids, attention_mask=tokens.mask.long(), max_new_tokens=8, min_new_tokens=8,
        do_sample=False, pad_token_id=0,
    )[:, tokens.ids.shape[1] :]  # fmt: skip
    ours = lm.generate(PROMPTS, max_new_tokens=8, temperature=0, stop=False)
    assert [row.request for row in ours] == [0, 1, 2, 3] and [row.prompt for row in ours] == PROMPTS
    # the library's min_new_tokens forbids the end token, ours takes it
    for row, expected in zip(ours, theirs.tolist(), strict=True):
        until = next((n for n, each in enumerate(row.ids) if each in (1, 2)), 8)
        assert list(row.ids[:until]) == expected[:until]


def test_every_cached_step_is_what_the_whole_text_gives(any_lm):
    """Teacher forcing: each chosen token is the likeliest in one pass over prompt and continuation."""
    made = any_lm.generate(PROMPTS, max_new_tokens=6, temperature=0, stop=False)
    prompts = [row[mask].tolist() for row, mask in zip(*vars(any_lm.tokenize(PROMPTS)).values(), strict=True)]
    for row in made:
        ids = [*prompts[row.request], *row.ids]
        logits = any_lm.logits(Tokens.of([ids]))[0].float()
        for place in range(len(prompts[row.request]), len(ids)):
            here = logits[place - 1]
            assert here.max() - here[ids[place]] <= (1e-3 if any_lm.dtype == torch.float32 else 0.3)


@pytest.mark.parametrize("where", ["prompt", "generated", "mask"])
def test_edits_by_phase_agree_with_one_pass(lm, where):
    """The same edit on cached steps and on the whole text: phase, BOS and padding are told alike."""
    edit = Add("layers.1", torch.linspace(-2, 2, 16), lambda at: getattr(at, where) & ~at.special)
    with lm.intervening([edit]):
        made = lm.generate(PROMPTS, max_new_tokens=5, temperature=0, stop=False)
        prompts = [row[mask].tolist() for row, mask in zip(*vars(lm.tokenize(PROMPTS)).values(), strict=True)]
        whole = Tokens.of([[*prompts[row.request], *row.ids] for row in made])
        logits = lm.logits(whole, prompt=torch.tensor([len(each) for each in prompts]))
    plain = lm.generate(PROMPTS, max_new_tokens=5, temperature=0, stop=False)
    assert ids_of(plain) != ids_of(made)
    for row, ids in enumerate(prompts):
        for step, chosen in enumerate(made.rows[row].ids):
            here = logits[row, len(ids) - 1 + step]
            assert here.max() - here[chosen] <= 1e-3


def test_inert_edits_change_no_token(any_lm):
    plain = any_lm.generate(PROMPTS, n=2, max_new_tokens=6)
    with any_lm.intervening([Apply(at, torch.clone) for at in any_lm.hookpoints()]):
        assert ids_of(any_lm.generate(PROMPTS, n=2, max_new_tokens=6)) == ids_of(plain)


def test_a_row_is_the_same_in_any_company(lm):
    """Batches of other rows, another order and fewer samples leave a row's text alone."""
    together = lm.generate(PROMPTS, n=3, max_new_tokens=8, seed=5)
    fewer = lm.generate(PROMPTS[:2], n=2, max_new_tokens=8, seed=5)
    split = LanguageModel(lm.hf, lm.tokenizer, batch_tokens=30).generate(
        PROMPTS, n=3, max_new_tokens=8, seed=5
    )
    assert split.rows == together.rows
    assert fewer.rows == tuple(row for row in together if row.request < 2 and row.sample < 2)
    assert lm.generate(PROMPTS, n=3, max_new_tokens=8, seed=6).rows != together.rows
    assert len(set(ids_of(together))) > 6


def test_rows_come_by_request_and_sample(llama):
    made = llama.generate(PROMPTS, n=2, max_new_tokens=2)
    assert [(row.request, row.sample) for row in made] == [(r, s) for r in range(4) for s in range(2)]
    assert len(made) == 8
    assert str(made).splitlines()[0] == made.rows[0].prompt + made.rows[0].text


def test_a_continuation_keeps_its_space(llama):
    for row in llama.generate(PROMPTS, max_new_tokens=3, stop=False):
        assert row.text.startswith(" ") or set(row.ids) & {0, 1, 2}
        whole = llama.tokenize([row.prompt + row.text]).ids[0].tolist()
        assert [each for each in whole if each > 3][-1] == [each for each in row.ids if each > 3][-1]


def test_an_end_token_ends_a_row_and_no_other():
    lm = language_model("llama")
    ends = Apply("final_norm.in", lambda x: x)
    free = lm.generate(PROMPTS, n=8, max_new_tokens=20, stop=False)
    held = lm.generate(PROMPTS, n=8, max_new_tokens=20)
    assert (
        ends
        and {row.ended for row in free} == {"length"}
        and {row.ended for row in held} == {"stop", "length"}
    )
    for a, b in zip(free, held, strict=True):
        until = a.ids.index(2) + 1 if 2 in a.ids else 20
        assert b.ids == a.ids[:until] and (b.ended == "stop") == (2 in a.ids)
        assert "[eos]" not in b.text


def test_logits_that_are_no_numbers_end_a_row_alone(llama):
    tokens = llama.tokenize(PROMPTS)
    plain = llama.generate(tokens, max_new_tokens=6, stop=False)

    def broken(at):
        return at.mask & (at.request == 2)[:, None] & (at.index >= 4)

    with llama.intervening([Add("layers.1", torch.nan, broken)]):
        made = llama.generate(tokens, max_new_tokens=6, stop=False)
    assert [row.ended for row in made] == ["length", "length", "broken", "length"]
    assert made.rows[2].ids == plain.rows[2].ids[:2]  # three tokens of prompt, so the second chosen is at 4
    assert [made.rows[n].ids for n in (0, 1, 3)] == [plain.rows[n].ids for n in (0, 1, 3)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_one_logit_that_is_no_number_ends_a_row(temperature, value):
    """Not the first logit alone is looked at; -inf only forbids its token."""
    lm = language_model("llama")
    word = 9

    def one_column(module, args, output):
        output[..., word] = value
        return output

    handle = lm.hf.lm_head.register_forward_hook(one_column)
    try:
        made = lm.generate(PROMPTS, n=2, max_new_tokens=4, temperature=temperature, stop=False)
    finally:
        handle.remove()
    ended = "length" if value == -torch.inf else "broken"
    assert {row.ended for row in made} == {ended}
    assert not any(word in row.ids for row in made)


def test_a_temperature_over_which_logits_overflow_is_refused(llama):
    with pytest.raises(InputError, match="temperature is 0 or at least 1e-30, got 1e-40, over which"):
        llama.generate(PROMPTS, temperature=1e-40)
    cold = llama.generate(PROMPTS, max_new_tokens=5, temperature=1e-30, stop=False)
    assert cold.rows == llama.generate(PROMPTS, max_new_tokens=5, temperature=0, stop=False).rows


def test_a_model_without_a_tokenizer_generates_tokens():
    lm = LanguageModel(build("llama"))
    [row] = lm.generate(Tokens.of([[1, 9]]), max_new_tokens=3, stop=False)
    assert (row.prompt, row.text, len(row.ids)) == ("", "", 3)
    with pytest.raises(InputError, match="no content"):
        lm.generate(Tokens(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2)))


def test_the_end_tokens_of_the_generation_config_count(llama):
    assert llama.end_tokens() == {2}
    hf = type(llama.hf)(llama.hf.config)
    hf.generation_config.eos_token_id = [7, 9]
    assert LanguageModel(hf, llama.tokenizer).end_tokens() == {2, 7, 9}


def test_no_prompts_give_nothing(llama):
    assert llama.generate([]).rows == ()


@pytest.mark.parametrize(("n", "steps"), [(0, 5), (1, 0)])
def test_nothing_to_generate_is_refused(llama, n, steps):
    with pytest.raises(InputError, match=f"n={n}, max_new_tokens={steps}"):
        llama.generate(["the"], n=n, max_new_tokens=steps)


def test_batches_keep_to_the_budget_and_put_like_lengths_together():
    job = Job([[0] * 9, [0], [0] * 2], 3, 5, Sampling(), 0, frozenset(), batch_tokens=28)
    found = [[(row.request, row.sample) for row in batch] for batch in batches(job)]
    assert found == [[(1, 0), (1, 1), (1, 2), (2, 0)], [(2, 1), (2, 2)], [(0, 0), (0, 1)], [(0, 2)]]
    for batch in found:
        assert len(batch) * (max(len(job.prompts[request]) for request, _ in batch) + 5) <= 28
    alone = Job([[0] * 99], 2, 5, Sampling(), 0, frozenset(), batch_tokens=28)
    assert [len(batch) for batch in batches(alone)] == [1, 1]


def test_the_tokenizer_is_a_real_one(llama):
    assert isinstance(llama.tokenizer, PreTrainedTokenizerFast)
