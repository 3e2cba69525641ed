"""2 * joy - anger: what it does to activations, what has no meaning, and what merging keeps."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.errors import BadSpec
from saesteer.steering import (
    Control,
    Intervention,
    ModelRef,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    When,
    Where,
    steer,
)
from tests.steering import tiny

JOY, ANGER = tiny.direction(seed=1, value=2.0), tiny.direction(seed=2, value=3.0)
TEXTS = ["the cat sat on the mat", "a dog ran"]


def activations(lm, spec, saes=None, at="layers.2"):
    tokens = lm.tokenize(TEXTS)
    with steer(lm, spec, saes=saes):
        return lm.record(tokens, [at])[at][tokens.mask]


def same(lm, one, other, saes=None):
    torch.testing.assert_close(activations(lm, one, saes), activations(lm, other, saes), atol=2e-5, rtol=1e-5)


def test_a_sum_is_the_vector_that_people_expect(lm):
    spec = 2 * JOY - ANGER
    tokens = lm.tokenize(TEXTS)
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    with steer(lm, spec):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    u, w = (tiny.vector(seed) / tiny.vector(seed).norm() for seed in (1, 2))
    on = tokens.mask.clone()
    on[:, 0] = False  # BOS
    wanted = torch.where(on[..., None], plain + 4 * u - 3 * w, plain)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_numbers_multiply_strengths():
    assert [each.strength.value for each in (2 * JOY).interventions] == [4.0]
    assert (JOY * 2) == (2 * JOY) == JOY / 0.5 == JOY.with_strength(4.0)
    assert -JOY == -1 * JOY and [each.strength.value for each in (-JOY).interventions] == [-2.0]
    assert (0 * JOY).interventions[0].strength.value == 0
    assert sum([JOY, ANGER]) == JOY + ANGER


def test_a_unit_stays_and_keeps_its_measure():
    measured = replace(
        JOY.interventions[0],
        strength=Strength(0.4, "residual_norm", resolved=8.0, measured_on={"unit_value": 20.0}),
    )
    (found,) = (2 * replace(JOY, interventions=(measured,))).interventions
    assert (found.strength.value, found.strength.unit, found.strength.plain) == (0.8, "residual_norm", 16.0)


def test_twice_a_calibrated_strength_is_twice_its_vector():
    kl = replace(JOY.interventions[0], strength=Strength(0.5, "kl", resolved=7.0))
    (found,) = (2 * replace(JOY, interventions=(kl,))).interventions
    assert found.strength == Strength(14.0)
    open_one = replace(kl, strength=Strength(0.5, "kl"))
    with pytest.raises(BadSpec, match=r"^interventions\[0\].strength.unit: 'kl' is not resolved"):
        2 * replace(JOY, interventions=(open_one,))


@pytest.mark.parametrize("op", ["set_projection", "project_out"])
def test_what_is_no_vector_is_not_multiplied(op):
    spec = JOY + tiny.direction(op=op)
    for made in (lambda: 2 * spec, lambda: -spec, lambda: spec / 2, lambda: JOY - spec):
        with pytest.raises(BadSpec, match=rf"^interventions\[1\].op: '{op}' adds no vector"):
            made()


def test_latents_are_added_as_vectors_and_not_set(lm, sae):
    added = tiny.latents("add_latents")
    same(lm, 2 * added, added + added, {"s": sae})
    with pytest.raises(BadSpec, match="'set_latents' adds no vector"):
        2 * tiny.latents("set_latents")


@pytest.mark.parametrize("other", ["joy", None, True, [1.0]])
def test_other_things_are_type_errors(other):
    for made in (lambda: JOY * other, lambda: other * JOY, lambda: JOY + other, lambda: JOY - other):
        with pytest.raises(TypeError):
            made()
    with pytest.raises(TypeError):
        JOY * JOY
    with pytest.raises(TypeError):
        JOY + 1


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_are_finite(number):
    with pytest.raises(BadSpec, match="factor: must be finite"):
        number * JOY
    with pytest.raises(BadSpec, match="divisor: must not be 0"):
        JOY / 0


def test_a_sum_keeps_both_sides_names_apart():
    one = replace(tiny.latents("add_latents"), saes={"s": SAERef("world/layers.3")})
    gated = tiny.direction(when=When("s", "layers.0", 3))
    other = replace(gated, saes={"s": SAERef("world/layers.4.attn")})
    both = one + other
    assert both.saes == {"s": SAERef("world/layers.3"), "s_2": SAERef("world/layers.4.attn")}
    assert both.interventions[1].when.sae == "s_2"
    assert (one + one).saes == one.saes
    three = JOY + ANGER + tiny.direction(seed=3)
    assert sorted(three.tensors) == ["v", "v_2", "v_3"]
    assert sorted((JOY + JOY).tensors) == ["v"]
    from_sae = replace(JOY, tensors={"v": TensorRef(sae="s", latents=((3, 1.0),))}, saes=other.saes)
    assert (one + from_sae).tensors["v"].sae == "s_2"


def test_a_sum_is_of_one_model():
    one, other = (replace(JOY, model=ModelRef(fingerprint=each * 8)) for each in "ab")
    with pytest.raises(BadSpec, match=r"^sum.model.fingerprint: the specs were made for two models"):
        one + other
    assert (JOY + one).model == (one + JOY).model == one.model


def test_where_it_comes_from_is_kept():
    one, other = replace(JOY, provenance={"concept": "joy"}), replace(ANGER, provenance={"concept": "anger"})
    assert (2 * one - other).provenance == {
        "sum": [{"times": 2.0, "of": {"concept": "joy"}}, {"times": -1.0, "of": {"concept": "anger"}}]
    }
    assert (JOY + ANGER).provenance == {}


# Merging


def test_adds_at_one_place_become_one_vector(lm):
    spec = 2 * JOY - ANGER
    merged = spec.merged()
    assert len(spec.interventions) == 2 and len(merged.interventions) == len(merged.tensors) == 1
    same(lm, spec, merged)
    assert merged.merged() is merged


def test_what_is_not_at_one_place_stays(lm):
    parts = (
        JOY,
        tiny.direction("layers.2", seed=3),
        tiny.direction(seed=4, where=Where("last")),
        tiny.direction(seed=5, unit="residual_norm"),
        ANGER,
    )
    spec = tiny.join(*parts)
    merged = spec.merged()
    assert [each.tensor for each in merged.interventions] == ["merged", "v1", "v2", "v3"]


def test_an_add_is_not_moved_past_another_op(lm):
    spec = tiny.join(JOY, tiny.direction(op="project_out", seed=3, value=1.0), ANGER, tiny.direction(seed=4))
    merged = spec.merged()
    assert [each.op for each in merged.interventions] == ["add", "project_out", "add"]
    same(lm, spec, merged)


def test_what_cancels_is_off(lm):
    merged = (JOY - JOY).merged()
    assert [each.strength.value for each in merged.interventions] == [0.0]
    same(lm, merged, None)


def test_latents_of_an_sae_are_merged_with_its_rows(lm, sae):
    row = replace(JOY, tensors={"v": TensorRef(sae="s", latents=((3, 1.0), (5, -2.0)))}, saes={"s": SAERef()})
    spec = row + ANGER
    same(lm, spec, spec.merged({"s": sae}), {"s": sae})
    with pytest.raises(BadSpec, match=r"saes.s.source: is missing; hand the SAE over"):
        spec.merged()


@st.composite
def sums(draw):
    """A spec of adds and other ops at two hookpoints."""
    parts = []
    for _ in range(draw(st.integers(1, 6))):
        op = draw(st.sampled_from(["add", "add", "add", "project_out", "set_projection"]))
        at = draw(st.sampled_from(["layers.0", "layers.1"]))
        where = draw(st.sampled_from([Where(), Where(skip=()), Where("last")]))
        value = 1.0 if op == "project_out" else draw(st.floats(-3, 3))
        normalize = draw(st.booleans()) if op == "add" else True
        seed = draw(st.integers(0, 3))
        parts.append(tiny.direction(at, value, op, seed, where=where, normalize=normalize))
    return tiny.join(*parts)


@settings(max_examples=25, deadline=None)
@given(spec=sums())
def test_merging_changes_nothing_that_is_done(spec):
    lm = tiny.llama()
    same(lm, spec, spec.merged())


def test_everywhere_skips_nothing():
    spec = JOY + tiny.direction(where=Where("last"))
    assert [each.where.skip for each in spec.everywhere().interventions] == [(), ()]
    assert spec.everywhere().interventions[1].where.positions == "last"


# Tensors of one name and other values

GATES = {
    "when.tensor": When(hookpoint="layers.0", tensor="d", above=0.0),
    "control.tensor": Control("layers.0", 2.0, tensor="d"),
}


def named_alike(field: str, seed: int, at: str) -> SteeringSpec:
    """A spec whose tensors have the same names for every seed, and differ in the field's value alone."""
    if field in GATES:
        key = field.partition(".")[0]
        each = replace(tiny.direction(at, value=3.0).interventions[0], **{key: GATES[field]})
        held = {"v": tiny.vector(), "d": tiny.vector(10 + seed)}
    elif field == "scores":
        each, held = tiny.reweighted(at=at).interventions[0], {"r": tiny.scores(seed)}
    elif field == "bias":
        each = Intervention(at, "project_out", tensor="v", bias="o", strength=Strength(0.6))
        held = {"v": tiny.vector(), "o": tiny.vector(10 + seed)}
    else:
        each = tiny.low_rank(at).interventions[0]
        held = {"a": tiny.matrix(16, 3), "b": tiny.matrix(3, 16, 10 + seed), "c": tiny.vector(3, 3)}
    tensors = {name: TensorRef.of(value) for name, value in held.items()}
    return SteeringSpec((each,), tensors, {"s": SAERef()} if field == "scores" else {})


@pytest.mark.parametrize("places", [("layers.1", "layers.1"), ("layers.1", "layers.2")])
@pytest.mark.parametrize("field", ["when.tensor", "control.tensor", "scores", "bias", "tensor_out"])
def test_a_sum_does_what_both_do_one_after_the_other(lm, sae, field, places):
    one, other = (named_alike(field, seed, at) for seed, at in zip((0, 1), places, strict=True))
    both, tokens, saes = one + other, lm.tokenize(TEXTS), {"s": sae}
    (renamed,) = [name for name in both.tensors if name not in one.tensors]
    assert both.tensors[renamed] not in one.tensors.values()

    def seen(*specs):
        with ExitStack() as stack:
            for each in specs:
                stack.enter_context(steer(lm, each, saes=saes))
            return lm.record(tokens, ["layers.2"])["layers.2"][tokens.mask]

    wanted = seen(one, other)
    torch.testing.assert_close(seen(both), wanted, atol=2e-5, rtol=1e-5)
    for wrong in ((one, replace(other, tensors=one.tensors)), (replace(one, tensors=other.tensors), other)):
        assert not torch.allclose(
            seen(*wrong), wanted, atol=1e-3
        )  # so that mistaking one for the other shows


def test_apart_renames_another_sae_of_the_same_name_and_nothing_else():
    spec = SteeringSpec(
        (
            Intervention("layers.1", "add_latents", sae="s", latents=((3, 1.0),)),
            Intervention(
                "layers.1", "add", tensor="w",
                when=When(sae="t", hookpoint="layers.0", latent=2, above=0.1),
                control=Control(sae="s", hookpoint="layers.1", latent=1, target=2.0),
            ),
        ),
        {"w": TensorRef(sae="s", latents=((5, 1.0),))},
        {"s": SAERef("mine", "0" * 64), "t": SAERef("other")},
    )  # fmt: skip
    assert spec.apart({"s": SAERef("mine", "0" * 64)}) == spec and spec.apart({}) == spec
    moved = spec.apart({"s": SAERef("theirs"), "s_2": SAERef("more")})
    first, second = moved.interventions
    assert (first.sae, moved.tensors["w"].sae, second.control.sae, second.when.sae) == (
        "s_3",
        "s_3",
        "s_3",
        "t",
    )
    assert moved.saes == {"s_3": spec.saes["s"], "t": spec.saes["t"]}
    both = replace(spec, saes={"s": SAERef("a"), "s_2": SAERef("b")}, interventions=(
        Intervention("layers.1", "splice", sae="s"), Intervention("layers.1", "splice", sae="s_2"),
    ), tensors={}).apart({"s": SAERef("c")})  # fmt: skip
    assert [both.saes[each.sae].source for each in both.interventions] == ["a", "b"] and "s" not in both.saes
    known = replace(spec, saes={**spec.saes, "s": SAERef(None, "0" * 64)})
    assert known.apart({"s": SAERef("elsewhere", "0" * 64)}) == known
