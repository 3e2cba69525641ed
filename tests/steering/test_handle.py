"""The handle of SCAR's model card: an SAE that stays in a model between ordinary calls of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from saesteer.errors import InputError, ShapeMismatch
from saesteer.steering import Where, attach, load_scar, save_scar, steer
from tests.steering import tiny

HOOK = "layers.1.mlp"
SENTENCE = "the cat sat on the mat"


@pytest.fixture
def sae():
    return tiny.sae("topk", hook_name="blocks.1.hook_mlp_out", normalize_activations="layer_norm")


def by_hand(lm, sae, tokens, change):
    """The logits with what SCAR's text asks for, by a plain hook of torch: (h, x) -> the module's output."""
    module = lm.hf.get_submodule("model.layers.1.mlp")

    def hook(module, args, x):
        mean = x.mean(-1, keepdim=True)
        scale = x.std(-1, keepdim=True) + 1e-5
        normed = (x - mean) / scale
        z = (normed - sae.b_dec) @ sae.W_enc + sae.b_enc
        kept = z.topk(sae.cfg.k, dim=-1)
        h = torch.zeros_like(z).scatter(-1, kept.indices, kept.values.relu())
        return change(h, lambda code: (code @ sae.W_dec + sae.b_dec) * scale + mean, x)

    handle = module.register_forward_hook(hook)
    try:
        with torch.no_grad():
            return lm.hf(input_ids=tokens.ids).logits
    finally:
        handle.remove()


def active(lm, sae, tokens):
    """The two latents that are active most often."""
    rows = sae.encode(lm.record(tokens, at=[HOOK])[HOOK])[0]
    return (rows > 0).sum(0).topk(2).indices.tolist()


def logits(lm, tokens):
    with torch.no_grad():
        return lm.hf(input_ids=tokens.ids).logits


@pytest.mark.parametrize("alpha", [-100.0, -1.0, 0.0, 1.0, 50.0])
@pytest.mark.parametrize("keep_error", [False, True])
def test_scales_as_the_text_says(lm, sae, alpha, keep_error):
    tokens = lm.tokenize([SENTENCE])
    one, two = active(lm, sae, tokens)

    def change(h, decode, x):
        new = h.clone()
        for feature in (one, two):
            new[..., feature] = torch.where(h[..., feature] > 0, alpha * h[..., feature].abs(), 0)
        return x + decode(new) - decode(h) if keep_error else decode(new)

    with attach(lm, sae, keep_error=keep_error) as hook:
        hook.mod_features, hook.mod_scaling = [one, two], alpha
        told = logits(lm, tokens)
    want = by_hand(lm, sae, tokens, change)
    assert torch.allclose(told, want, atol=2e-4 * float(want.abs().max()))
    assert alpha == 1 or not torch.allclose(told, logits(lm, tokens), atol=1e-4)


def test_each_feature_may_have_its_own_scaling(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    one, two = active(lm, sae, tokens)

    def change(h, decode, x):
        new = h.clone()
        new[..., one], new[..., two] = 3 * h[..., one], -2 * h[..., two]
        return decode(new)

    want = by_hand(lm, sae, tokens, change)
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = [one, two], [3.0, -2.0]
        assert torch.allclose(logits(lm, tokens), want, atol=1e-4)


def test_replacement_threshold_and_vector(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    one = active(lm, sae, tokens)[0]
    h = sae.encode(lm.record(tokens, at=[HOOK])[HOOK])
    above = float(h[..., one].max()) * 0.7
    vector = torch.linspace(-1, 1, sae.cfg.d_in)

    def replaced(h, decode, x):
        new = h.clone()
        new[..., one] = 4.0
        return decode(new) + vector

    def gated(h, decode, x):
        new = h.clone()
        new[..., one] = torch.where(h[..., one] > above, 9 * h[..., one], h[..., one])
        return decode(new)

    first, want = by_hand(lm, sae, tokens, replaced), by_hand(lm, sae, tokens, gated)
    with attach(lm, sae) as hook:
        hook.mod_features = one
        hook.mod_replacement, hook.mod_vector = 4.0, vector
        assert torch.allclose(logits(lm, tokens), first, atol=1e-4)
        hook.mod_replacement = hook.mod_vector = None
        hook.mod_scaling, hook.mod_threshold = 9.0, above
        assert torch.allclose(logits(lm, tokens), want, atol=1e-4)
        hook.mod_threshold = None
        assert not torch.allclose(logits(lm, tokens), want, atol=1e-4)


def test_none_is_the_plain_model_bit_by_bit(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    plain = logits(lm, tokens)
    spliced = by_hand(lm, sae, tokens, lambda h, decode, x: decode(h))
    with attach(lm, sae) as hook:
        assert torch.equal(logits(lm, tokens), plain)
        hook.mod_features, hook.mod_scaling = 0, -100.0
        assert not torch.equal(logits(lm, tokens), plain)
        hook.mod_features = None
        assert torch.equal(logits(lm, tokens), plain)
        hook.mod_features = []
        assert torch.allclose(logits(lm, tokens), spliced, atol=1e-4)
    assert torch.equal(logits(lm, tokens), plain) and lm.hooks_installed() == 0


def test_between_ordinary_calls_of_generate_with_left_padding(lm, sae):
    texts = ["the cat", "the dog sat on the mat and the cat"]
    lm.tokenizer.pad_token = lm.tokenizer.pad_token or lm.tokenizer.eos_token
    rows = [lm.tokenize([each]) for each in texts]
    both = lm.tokenize(texts, side="left")
    how = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    feature = active(lm, sae, rows[1])[0]

    def alone():
        return [lm.hf.generate(each.ids, attention_mask=each.mask.long(), **how)[0] for each in rows]

    plain = alone()
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = feature, 60.0
        steered = alone()
        batch = lm.hf.generate(both.ids, attention_mask=both.mask.long(), **how)
        made = lm.generate(texts, max_new_tokens=8, temperature=0, stop=False)
        hook.mod_features = None
        for one, two in zip(alone(), plain, strict=True):
            assert torch.equal(one, two)
    assert not all(torch.equal(one, two) for one, two in zip(steered, plain, strict=True))
    for row, (one, single) in enumerate(zip(steered, rows, strict=True)):
        assert torch.equal(batch[row, both.ids.shape[1] :], one[single.ids.shape[1] :])
        assert list(made.rows[row].ids) == one[single.ids.shape[1] :].tolist()


def test_where_may_leave_bos_alone(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    with attach(lm, sae, where=Where()) as hook:
        hook.mod_features = []
        told = lm.record(tokens, at=[HOOK])[HOOK]
    plain = lm.record(tokens, at=[HOOK])[HOOK]
    assert torch.equal(told[:, 0], plain[:, 0]) and not torch.equal(told[:, 1], plain[:, 1])


def test_what_it_does_can_be_written_as_a_spec(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    one, two = active(lm, sae, tokens)
    pairs = ((one, -5.0), (two, 2.0))
    spec = tiny.latents("scale_latents", HOOK, pairs, keep_error=False, where=Where(skip=()))
    with steer(lm, spec, saes={"s": sae}):
        want = lm.logits(tokens)
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = (one, two), (-5.0, 2.0)
        assert torch.equal(lm.logits(tokens), want)


def test_another_thread_is_not_steered(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    plain, seen = logits(lm, tokens), []
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = 0, -100.0
        thread = threading.Thread(target=lambda: seen.append(logits(lm, tokens)))
        thread.start()
        thread.join()
    assert torch.equal(seen[0], plain)


@pytest.mark.parametrize(
    ("field", "value", "error", "says"),
    [
        ("mod_features", 10**6, InputError, "mod_features are 0 to"),
        ("mod_features", -1, InputError, "got -1"),
        ("mod_features", [1, 1], InputError, "twice"),
        ("mod_scaling", [1.0, 2.0], InputError, "2 numbers for 1 features"),
        ("mod_scaling", float("nan"), InputError, "finite"),
        ("mod_vector", torch.ones(3), ShapeMismatch, r"mod_vector is \["),
        ("mod_vector", torch.full((16,), float("inf")), InputError, "mod_vector is finite"),
        ("mod_features", "12", InputError, "whole number"),
        ("mod_features", [1.5], InputError, "whole number"),
        ("mod_features", True, InputError, "whole number"),
        ("mod_scaling", "2", InputError, "mod_scaling is a finite number"),
        ("mod_scaling", None, InputError, "mod_scaling is a finite number"),
        ("mod_replacement", [float("inf")], InputError, "mod_replacement is a finite number"),
        ("mod_threshold", float("nan"), InputError, "mod_threshold is a finite number"),
    ],
)
def test_a_field_that_cannot_be_used_keeps_what_it_was(lm, sae, field, value, error, says):
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = 0, 2.0
        with pytest.raises(error, match=says):
            setattr(hook, field, value)
        assert (hook.mod_features, hook.mod_scaling, hook.mod_vector) == (0, 2.0, None)


def test_an_sae_of_another_place_is_refused_unless_asked_for(lm, sae):
    with pytest.raises(InputError, match=r"trained at layers\.1\.mlp but is used at layers\.0\.mlp"):
        attach(lm, sae, at="layers.0.mlp")
    assert lm.hooks_installed() == 0
    attach(lm, sae, at="layers.0.mlp", force=True).remove()
    other = tiny.sae("topk", hook_name=HOOK, metadata={"model_fingerprint": "f" * 64})
    with pytest.raises(InputError, match="was trained on the model ffffffffffff"):
        attach(lm, other)
    own = tiny.sae("topk", hook_name=HOOK, metadata={"model_fingerprint": lm.fingerprint()})
    attach(lm, own).remove()
    assert lm.hooks_installed() == 0


def test_out_of_scars_folder(lm, sae, tmp_path):
    save_scar(tmp_path / "scar", lm, sae)
    both = load_scar(tmp_path / "scar")
    tokens = both.lm.tokenize([SENTENCE])
    plain = logits(both.lm, tokens)
    with both.attach() as hook:
        hook.mod_features, hook.mod_scaling = active(both.lm, both.sae, tokens)[0], -100.0
        assert not torch.equal(logits(both.lm, tokens), plain)


def test_numbers_of_other_libraries_are_numbers(lm, sae):
    tokens = lm.tokenize([SENTENCE])
    one, two = active(lm, sae, tokens)
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_scaling = [one, two], [5.0, -3.0]
        want = logits(lm, tokens)
        hook.mod_features, hook.mod_scaling = torch.tensor([one, two]), np.array([5, -3], np.float32)
        assert torch.equal(logits(lm, tokens), want)
        hook.mod_scaling = 5.0
        hook.mod_features = one
        want = logits(lm, tokens)
        for number in (np.int64(one), torch.tensor(one)):
            for factor in (np.float32(5), torch.tensor(5.0), 5):
                hook.mod_features, hook.mod_scaling = number, factor
                assert torch.equal(logits(lm, tokens), want)
                assert (hook.mod_features, hook.mod_scaling) == (one, 5.0)


def test_what_would_be_passed_by_in_silence_raises(lm, sae):
    hook = attach(lm, sae)
    with pytest.raises(InputError, match="finite"):  # also while the handle is off
        hook.mod_scaling = float("nan")
    with pytest.raises(AttributeError, match="mod_feature"):
        hook.mod_feature = 0
    hook.remove()
    hook.remove()
    hook.mod_features = None
    with pytest.raises(InputError, match="removed"):
        hook.mod_features = 0
    assert hook.mod_features is None and lm.hooks_installed() == 0


def test_a_vector_is_what_it_was_when_it_was_set(lm, sae):
    tokens, vector = lm.tokenize([SENTENCE]), torch.ones(16)
    with attach(lm, sae) as hook:
        hook.mod_features, hook.mod_vector = 0, vector
        want = logits(lm, tokens)
        vector.zero_()
        hook.mod_scaling = 1.0
        assert torch.equal(logits(lm, tokens), want)
