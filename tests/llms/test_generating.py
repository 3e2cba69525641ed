"""Generation with a stored prefix says what generation without one says."""

import pytest
import torch

from saesteer.llms.generating import Generator, Prompt, common, storable
from tests.model.small import CONFIGS, language_model

DRAW = torch.Generator().manual_seed(5)


def ids(length):
    return tuple(torch.randint(4, 64, (length,), generator=DRAW).tolist())


BEGIN = (1, *ids(14))
PROMPTS = [
    Prompt((*BEGIN, *ids(3)), 9, top=4),
    Prompt((*BEGIN, *ids(8)), 9, top=4),
    Prompt((*BEGIN, *ids(1)), 6, temperature=0.7, seed=3, top=2),
    Prompt((*BEGIN, *ids(5)), 2, top=4),
    Prompt((*BEGIN, *ids(4)), 9, temperature=0.7, seed=4),
]


class Counted:
    """How many columns the model was given, call by call."""

    def __init__(self, hf):
        self.calls = []
        self._hook = hf.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, module, args, kwargs):
        self.calls.append(tuple(kwargs["input_ids"].shape))

    def __enter__(self):
        return self.calls

    def __exit__(self, *parts):
        self._hook.remove()


def alike(one, other, tolerance=2e-5):
    assert [each.ids for each in one] == [each.ids for each in other]
    assert [each.ended for each in one] == [each.ended for each in other]
    for a, b in zip(one, other, strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=tolerance)
        for top, bottom in zip(a.top, b.top, strict=True):
            assert [value for _, value in top] == pytest.approx([value for _, value in bottom], abs=tolerance)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_stored_prefix_changes_nothing(name):
    """Each family, sliding windows of 4 tokens among them; every row also equals itself alone."""
    lm = language_model(name)
    assert storable(lm.hf)
    plain = Generator(lm, prefix_cache=False)
    stored = Generator(lm)
    with Counted(lm.hf) as calls:
        without = plain.run(PROMPTS)
        assert calls[0] == (5, 23)
        calls.clear()
        alike(stored.run(PROMPTS), without)
        assert calls[:2] == [(1, 15), (5, 8)]  # what all begin with once, then the rest of the longest
        calls.clear()
        alike(stored.run(PROMPTS[::-1]), without[::-1])
        assert calls[0] == (5, 8)  # it is still there
    alike([plain.run([prompt])[0] for prompt in PROMPTS], without)


def test_prompts_one_by_one_use_what_they_share():
    lm = language_model("llama")
    stored, plain = Generator(lm), Generator(lm, prefix_cache=False)
    with Counted(lm.hf) as calls:
        for number, prompt in enumerate(PROMPTS):
            calls.clear()
            made = stored.run([prompt])
            known = 15 if number else 0
            assert calls[0] == (1, len(prompt.ids) - known)
            alike(made, plain.run([prompt]))


def test_prompts_that_share_too_little_are_computed_whole():
    lm = language_model("llama")
    prompts = [Prompt((1, *ids(30)), 3, top=1), Prompt((1, *ids(3)), 3, top=1)]
    with Counted(lm.hf) as calls:
        made = Generator(lm).run(prompts)
        assert calls[0] == (2, 31)
    alike(made, Generator(lm, prefix_cache=False).run(prompts))


def test_a_prompt_that_another_begins_with():
    lm = language_model("gpt2")
    longer = ids(12)
    prompts = [Prompt((*BEGIN, *longer[:6]), 4, top=1), Prompt((*BEGIN, *longer), 4, top=1)]
    alike(Generator(lm).run(prompts), Generator(lm, prefix_cache=False).run(prompts))
    alike(Generator(lm).run(prompts[:1] * 3), Generator(lm, prefix_cache=False).run(prompts[:1] * 3))


def test_a_row_ends_at_its_own_limit_and_others_go_on():
    lm = language_model("llama")
    with Counted(lm.hf) as calls:
        made = Generator(lm).run([Prompt(ids(6), limit) for limit in (1, 2, 3, 12)])
    assert [(len(each.ids), each.ended) for each in made] == [(n, "length") for n in (1, 2, 3, 12)]
    assert calls[-1] == (1, 1)  # rows that have ended are not computed on


def test_the_end_token_ends_a_row_and_is_not_told(monkeypatch):
    lm = language_model("llama")
    [free] = Generator(lm).run([Prompt(BEGIN, 6, top=2)])
    end = free.ids[3]
    first = free.ids.index(end)
    monkeypatch.setattr(lm, "end_tokens", lambda: {end})
    [made] = Generator(lm).run([Prompt(BEGIN, 6, top=2)])
    assert (made.ids, made.ended, made.computed) == (free.ids[:first], "stop", first + 1)
    assert len(made.logprobs) == len(made.top) == first


def test_logprobs_are_the_models_own():
    lm = language_model("llama")
    [made] = Generator(lm).run([Prompt(BEGIN, 5, temperature=1.5, seed=8, top=3)])
    whole = torch.tensor([[*BEGIN, *made.ids]])
    with torch.no_grad():
        expected = lm.hf(whole).logits[0, len(BEGIN) - 1 : -1].log_softmax(-1)
    own = expected.gather(-1, torch.tensor(made.ids)[:, None]).squeeze(-1)
    assert made.logprobs == pytest.approx(own.tolist(), abs=1e-5)
    best = expected.topk(3)
    assert [[each for each, _ in top] for top in made.top] == best.indices.tolist()


def test_luck_follows_the_seed_and_not_the_batch():
    lm = language_model("llama")
    prompts = [Prompt(BEGIN, 12, 1.0, seed) for seed in (1, 2, 1, 3)]
    made = [each.ids for each in Generator(lm).run(prompts)]
    assert made[0] == made[2] and len({tuple(each) for each in made}) == 3
    assert Generator(lm).run(prompts[1:2])[0].ids == made[1]


def test_abandoned_work_ends_at_the_next_token():
    lm = language_model("llama")
    with Counted(lm.hf) as calls:
        Generator(lm).run([Prompt(BEGIN, 40)], abandoned=lambda: len(calls) >= 3)
    assert len(calls) == 3


def test_logits_that_are_no_numbers_are_told():
    lm = language_model("llama")
    table = lm.hf.get_input_embeddings().weight.data
    before = table[40].clone()
    try:
        table[40] = float("nan")
        made = Generator(lm).run([Prompt((1, 40, 5), 4), Prompt((1, 41, 5), 4)])
    finally:
        table[40] = before
    assert made[0].ended == "broken" and made[1].ended != "broken"


def test_common_beginnings():
    assert common((1, 2, 3), (1, 2, 4)) == 2
    assert common((1, 2), (1, 2, 4)) == 2
    assert common((), (1,)) == 0
    assert common((3,), (1,)) == 0
