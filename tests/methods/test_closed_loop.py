"""Steering until the concept is found, or as far as it is not: what the probe reads decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from saesteer.errors import InputError, UnknownName
from saesteer.methods import closed_loop, diffmean, opening, probe, random_direction, trained
from saesteer.methods.activations import text_activations
from saesteer.steering import load_spec, steer
from tests.methods.concepts import SEA
from tests.steering import tiny

AT = "layers.1"
TEXTS = [*SEA.positive, *SEA.negative]


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


def reading(lm, at=AT):
    """The texts, their activations, and the probe's value at every token."""
    (w,) = probe(lm, SEA, at).tensors.values()
    tokens = lm.tokenize(TEXTS)
    x = lm.record(tokens, [at])[at]
    return tokens, x, x @ (w.value / w.value.norm())


def steps(lm, spec, tokens, x, at=AT):
    """How far each token is moved along the direction, in the strength's own unit."""
    (each,) = spec.interventions
    v = spec.tensors[each.tensor].value
    with steer(lm, spec):
        moved = lm.record(tokens, [at])[at] - x
    along = moved @ (v / v.norm())
    torch.testing.assert_close(moved, along[..., None] * v / v.norm(), rtol=1e-3, atol=1e-4)
    return along / each.strength.plain


def test_until_stops_behind_the_first_token_that_the_probe_finds(lm):
    spec = closed_loop(lm, SEA, AT, rare=0.3)
    tokens, x, value = reading(lm)
    found = spec.provenance["found"]
    content = tokens.mask & (torch.arange(tokens.ids.shape[1]) > 0)
    assert (value - found)[content].abs().min() > 0.01  # so that rounding decides nothing
    seen = ((value > found) & content).long().cumsum(1) > 0
    assert 0 < int(seen.any(1).sum()) < len(TEXTS)
    wanted = (content & ~seen).float()
    torch.testing.assert_close(steps(lm, spec, tokens, x), wanted, rtol=1e-3, atol=1e-3)


def test_control_gives_each_token_what_is_missing(lm):
    spec = closed_loop(lm, SEA, "layers.0", loop="control")
    tokens, x, value = reading(lm, "layers.0")
    target = spec.provenance["found"]
    content = tokens.mask & (torch.arange(tokens.ids.shape[1]) > 0)
    share = ((target - value) / target).clamp(0, 1) * content
    assert ((share > 0.05) & (share < 0.95)).any()
    torch.testing.assert_close(steps(lm, spec, tokens, x, "layers.0"), share, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("rare", [0.2, 0.5])
def test_found_is_what_few_texts_without_the_concept_reach(lm, rare):
    found = closed_loop(lm, SEA, AT, rare=rare).provenance["found"]
    (w,) = probe(lm, SEA, AT).tensors.values()
    seen = text_activations(lm, SEA.negative, AT)
    values = seen.x @ (w.value / w.value.norm())
    largest = torch.stack([values[seen.text == number].max() for number in range(seen.texts)])
    assert int((largest > found + 1e-5).sum()) <= rare * seen.texts  # texts may share their largest value
    assert int((largest >= found - 1e-5).sum()) >= rare * seen.texts


def test_any_direction_may_be_in_the_loop(lm, tmp_path):
    given = random_direction(lm, AT, texts=SEA.positive, seed=3)
    spec = closed_loop(lm, SEA, AT, direction=given, strength=0.5)
    (each,) = spec.interventions
    assert each.tensor in given.tensors and each.strength.value == 0.5 and each.when.scope == "until"
    about = spec.provenance
    assert (about["method"], about["direction"], about["loop"]) == (
        "closed_loop",
        "random_direction",
        "until",
    )
    spec.save(tmp_path / "a.yaml")
    assert load_spec(tmp_path / "a.yaml") == spec
    assert closed_loop(lm, SEA, AT).interventions[0].tensor in diffmean(lm, SEA, AT).tensors


@pytest.mark.parametrize("method", [opening, closed_loop])
def test_a_direction_may_be_named(lm, method):
    assert method(lm, SEA, AT, direction="trained") == method(lm, SEA, AT, direction=trained(lm, SEA, AT))
    with pytest.raises(InputError, match="'sae_ts' needs sae and effects; give a spec"):
        method(lm, SEA, AT, direction="sae_ts")
    with pytest.raises(InputError, match="'prompting' makes no direction"):
        method(lm, SEA, AT, direction="prompting")
    with pytest.raises(UnknownName, match="did you mean 'trained'"):
        method(lm, SEA, AT, direction="trainde")


def test_what_cannot_be_meant(lm):
    with pytest.raises(UnknownName, match="did you mean 'until'"):
        closed_loop(lm, SEA, AT, loop="untill")
    with pytest.raises(InputError, match="rare is a share"):
        closed_loop(lm, SEA, AT, rare=0.0)
    with pytest.raises(InputError, match=r"rare is a share .* got '0.1'"):
        closed_loop(lm, SEA, AT, rare="0.1")
    early = diffmean(lm, SEA, "layers.0")
    with pytest.raises(InputError, match=r"reads layers\.1, which is computed after layers\.0"):
        closed_loop(lm, SEA, "layers.1", direction=early)
    assert closed_loop(lm, SEA, "layers.0", direction=diffmean(lm, SEA, "layers.1"))
    with pytest.raises(InputError, match="needs a target above 0; take loop 'until'"):
        closed_loop(lm, SEA, AT, loop="control")
    looped = closed_loop(lm, SEA, AT)
    with pytest.raises(InputError, match="has a tensor 'probe' already"):
        closed_loop(lm, SEA, AT, direction=looped)
    (each,) = looped.interventions
    tensors = {name.replace("probe", "other"): tensor for name, tensor in looped.tensors.items()}
    gated = replace(
        looped, interventions=(replace(each, when=replace(each.when, tensor="other")),), tensors=tensors
    )
    with pytest.raises(InputError, match="has a gate or a control already"):
        closed_loop(lm, SEA, AT, direction=gated)
