"""A direction at the first places alone: what is steered, what is read of it later, and what is not."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import BadSpec, InputError
from saesteer.methods import TABLE, diffmean, opening, random_direction, sae_decoder
from saesteer.methods.opening import END, STRENGTH
from saesteer.model import Tokens
from saesteer.steering import Where, residual_norm, steer
from tests.methods.concepts import SEA
from tests.methods.test_protocol import MADE
from tests.steering import tiny

AT = "layers.1"
LONG = "the cat sat on the old mat and then"
SHORT = "a dog"


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


def test_it_is_among_the_methods_of_the_protocol():
    assert "opening" in MADE and not TABLE["opening"].needs


def test_the_first_places_of_the_text_move_along_the_difference_of_means(lm):
    spec, plain = opening(lm, SEA, AT), diffmean(lm, SEA, AT)
    (each,) = spec.interventions
    assert each.where == Where((0, END)) and each.strength.unit == "residual_norm"
    tokens = lm.tokenize([LONG, SHORT])
    before = lm.record(tokens, [AT])[AT]
    with steer(lm, spec):
        after = lm.record(tokens, [AT])[AT]
    v = plain.tensors[plain.interventions[0].tensor].value
    norm = residual_norm(lm, AT, [*SEA.positive, *SEA.negative])
    place = torch.arange(tokens.ids.shape[1])
    on = tokens.mask & (place >= 1) & (place < END)
    wanted = torch.where(on[..., None], before + STRENGTH * norm * v / v.norm(), before)
    torch.testing.assert_close(after, wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(after[~on], before[~on]) and on.sum(-1).tolist() == [5, 2]


def test_what_is_written_is_not_edited_but_reads_what_was(lm):
    """By a hook of our own that knows the first places alone."""
    spec = opening(lm, SEA, AT, skip=())
    (each,) = spec.interventions
    v = spec.tensors[each.tensor].value
    step, look = each.strength.plain * v / v.norm(), tiny.Look(AT)
    tokens = lm.tokenize([LONG])
    length = tokens.ids.shape[1]
    assert length > END
    with steer(lm, spec):
        made = lm.generate([LONG], max_new_tokens=8, temperature=0, stop=False)
    ids = Tokens.of([[*tokens.ids[0].tolist(), *made.rows[0].ids]])

    def act(_, args, out):
        x = (out[0] if isinstance(out, tuple) else out).clone()
        x[:, :END] += step
        return (x, *out[1:]) if isinstance(out, tuple) else x

    plain = lm.record(ids, [AT])[AT]
    hook = lm.hf.model.layers[1].register_forward_hook(act)
    wanted = lm.logits(ids)
    hook.remove()
    with steer(lm, spec), torch.no_grad(), lm.intervening([look]):
        cache, logits = None, []
        for chunk in (tokens.ids, *ids.ids[:, length:].split(1, 1)):
            out = lm.hf(input_ids=chunk, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            logits.append(out.logits)
            if chunk.shape[1] == 1:  # behind the edits: the activation of a token that was written
                place = cache.get_seq_length() - 1
                torch.testing.assert_close(look.x[:, 0], plain[:, place], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat(logits, 1), wanted, rtol=1e-4, atol=1e-4)
    assert wanted[0, length - 1 : -1].argmax(-1).tolist() == list(made.rows[0].ids)
    assert not torch.allclose(wanted[:, length:], lm.logits(ids)[:, length:], atol=1e-2)


def test_a_short_prompt_is_steered_on_in_what_is_written(lm):
    ids = Tokens.of([[*lm.tokenize([SHORT]).ids[0].tolist(), 5, 6, 7, 8, 9]])
    before = lm.record(ids, [AT])[AT]
    with steer(lm, opening(lm, SEA, AT)):
        moved = (lm.record(ids, [AT])[AT] != before).any(-1)[0].tolist()
    assert moved == [False, *[True] * 5, False, False]


def test_any_spec_may_be_the_direction(lm):
    given = random_direction(lm, AT, texts=SEA.positive, seed=3)
    spec = opening(lm, SEA, AT, direction=given, end=3, strength=0.5)
    assert spec.tensors == given.tensors and spec.saes == given.saes
    assert [(each.where, each.strength.value) for each in spec.interventions] == [(Where((0, 3)), 0.5)]
    assert spec.interventions[0].strength.unit == given.interventions[0].strength.unit
    about = spec.provenance
    assert (about["method"], about["direction"], about["end"]) == ("opening", "random_direction", 3)
    latents = sae_decoder(lm, SEA, tiny.sae(hook_name=AT), latent=[(3, 1.0), (7, -0.5)], op="set_latents")
    both = opening(lm, SEA, AT, direction=latents + given, skip=())
    assert [each.op for each in both.interventions] == ["set_latents", "add"]
    assert {each.where for each in both.interventions} == {Where((0, END), skip=())}


def test_ends_and_skips_that_are_none(lm):
    with pytest.raises(InputError, match="end is a place in the text, a whole number of at least 1, got 0"):
        opening(lm, SEA, AT, end=0)
    for end in ("3", 2.0, True):
        with pytest.raises(InputError, match="a whole number of at least 1"):
            opening(lm, SEA, AT, end=end)
    with pytest.raises(BadSpec, match=r"skip\[0\]: unknown value 'eos'"):
        opening(lm, SEA, AT, skip=("eos",))


def test_signs_and_proportions_of_a_direction_are_kept(lm):
    a, b = (random_direction(lm, AT, texts=SEA.positive, seed=seed) for seed in (1, 2))
    away = opening(lm, SEA, AT, direction=-a)
    assert [each.strength.value for each in away.interventions] == [-STRENGTH]
    mixed = opening(lm, SEA, AT, direction=2 * a - b)
    assert [each.strength.value for each in mixed.interventions] == [STRENGTH, -STRENGTH / 2]
    raw = a.with_strength(3.0, "raw")
    assert opening(lm, SEA, AT, direction=raw).interventions[0].strength.value == 3.0
