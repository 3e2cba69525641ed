"""Trained directions: right gradients through the hooks, a loss that falls, a model that stays as it is."""

from __future__ import annotations

import json

import pytest
import torch

from saesteer.errors import InputError, UnknownName
from saesteer.methods import random_direction, trained
from saesteer.methods.likelihood import Continuations, log_likelihood
from saesteer.methods.objectives import OBJECTIVES, Bench
from saesteer.methods.pairs import Pair, Pairs
from saesteer.steering import Where, load_spec, steer
from saesteer.text.concept import Concept
from tests.steering import tiny

SEA = Concept(
    "sea",
    "The sea and swimming.",
    positive=(
        "the cat swam in the sea", "wet sea , sea swam", "a dog swam in a sea", "the old sea ran in .",
        "a sea and a sea", "the dog swam and swam", "in the sea a cat swam", "sea , sea , sea .",
    ),
    negative=(
        "the cat sat on the mat", "a dog ran", "the old rug and then a mat", "a cat ran on the rug .",
    ),
    prefixes=("the sea swam . {prompt}", "{prompt} swam in the sea"),
)  # fmt: skip
PAIRS = [Pair("", SEA.positive[i], SEA.negative[i]) for i in range(2)] + [
    Pair("the old dog", " swam in the sea", " sat on a mat")
]
QUICK = {"steps": 20, "batch": 4, "factors": (0.5, 1.0)}


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


def only(spec):
    (each,) = spec.interventions
    return each, spec.tensors[each.tensor].value


@pytest.mark.parametrize(
    "at", ["embed", "layers.0", "layers.1.in", "layers.1.mid", "layers.1.mlp", "final_norm.in"]
)
@pytest.mark.parametrize("objective", ["lm", "reps"])
def test_gradients_are_those_of_finite_differences_at_every_kind_of_hookpoint(lm, at, objective):
    bench, loss = Bench(lm, lm.hookpoint(at), 2.0, 32), OBJECTIVES.get(objective)
    vector = tiny.vector().requires_grad_()
    factors = torch.tensor([0.3, 0.5, 0.7])
    (found,) = torch.autograd.grad(loss(bench, PAIRS, vector, factors), [vector])
    direction = tiny.vector(1) / tiny.vector(1).norm()
    with torch.no_grad():
        up, down = (
            loss(bench, PAIRS, vector + sign * 1e-2 * direction, factors).double() for sign in (1, -1)
        )
    assert found.norm() > 1e-4
    torch.testing.assert_close(found @ direction, ((up - down) / 2e-2).float(), rtol=0.05, atol=2e-3)


def test_the_loss_of_lm_is_that_of_the_spec(lm):
    """What training sees is what `steer` does."""
    spec = trained(lm, SEA, "layers.1", steps=1)
    unit = only(spec)[0].strength.measured_on["unit_value"]
    bench = Bench(lm, "layers.1", unit, 32)
    found = OBJECTIVES.get("lm")(bench, PAIRS, only(spec)[1], torch.full((3,), 0.3))
    rows = Continuations.of(lm, [each.prompt for each in PAIRS], [each.positive for each in PAIRS], 32)
    with steer(lm, spec.with_strength(0.3)), torch.no_grad():
        sums, counts = log_likelihood(lm, rows)
    torch.testing.assert_close(found, -sums.sum() / counts.sum(), rtol=1e-5, atol=1e-6)


def test_the_preference_is_the_paper_s(lm):
    """RePS written out with plain specs, one text at a time."""
    vector, norm, factor = tiny.vector(), 2.0, 0.5
    bench = Bench(lm, "layers.1", norm, 32)
    added = tiny.direction(value=factor * norm, op="add")
    nulled = tiny.direction(value=1.0, op="project_out")
    total = 0.0
    for pair in PAIRS:
        sums = {}
        for how, spec in (("plain", None), ("added", added), ("nulled", nulled)):
            for side in ("positive", "negative"):
                rows = Continuations.of(lm, [pair.prompt], [getattr(pair, side)], 32)
                with steer(lm, spec), torch.no_grad():
                    found, count = log_likelihood(lm, rows)
                sums[how, side] = (found.item(), found.item() / count.item())
        gap = sums["plain", "negative"][0] - sums["plain", "positive"][0]
        plus = max(gap, 1.0) * sums["added", "positive"][1] - sums["added", "negative"][1]
        minus = max(-gap, 1.0) * sums["nulled", "negative"][1] - sums["nulled", "positive"][1]
        total += sum(torch.nn.functional.softplus(torch.tensor(-each)).item() for each in (plus, minus))
    loss = OBJECTIVES.get("reps")(bench, PAIRS, vector, torch.full((3,), factor))
    assert loss.item() == pytest.approx(total / len(PAIRS), rel=1e-4)


@pytest.mark.parametrize("objective", ["lm", "reps"])
def test_training_lowers_the_loss_below_that_of_chance(lm, objective):
    spec = trained(lm, SEA, "layers.1", objective=objective, seed=1, **QUICK)
    curve = spec.provenance["curve"]
    assert curve[-1][1] < curve[1][1]
    assert curve[0][0] == 0 and curve[0][1] is None and curve[-1][0] == 20
    best = min(held_out for _, _, held_out in curve)
    assert best < curve[0][2] - 0.05
    assert next(each[0] for each in curve if each[2] == best) == spec.provenance["best_step"]
    every = [Pair("", *both) for both in zip(SEA.positive, SEA.negative * 2, strict=True)]
    bench = Bench(lm, "layers.1", only(spec)[0].strength.measured_on["unit_value"], 32)
    loss, control = OBJECTIVES.get(objective), only(random_direction(lm, "layers.1"))[1]
    with torch.no_grad():
        found = [loss(bench, every, each, torch.full((8,), 0.5)) for each in (only(spec)[1], control)]
    assert found[0] < found[1] - 0.2


@pytest.mark.parametrize("objective", ["lm", "reps"])
def test_in_a_window_it_is_trained_where_the_spec_adds_it(lm, objective):
    """The noted loss is the one that the spec itself has, and moved elsewhere it has another."""
    spec = trained(lm, SEA, "layers.0", objective=objective, positions=[0, 3], **QUICK)
    each, vector = only(spec)
    assert each.where == Where((0, 3)) and each.strength.value == 1.0
    bench = Bench(lm, "layers.0", each.strength.measured_on["unit_value"], 32, Where((0, 3)))
    kept = Pairs.of(SEA, 0.25, seed=0).held_out
    turn = torch.tensor([(0.5, 1.0)[number % 2] for number in range(len(kept))])
    with torch.no_grad():
        found = OBJECTIVES.get(objective)(bench, kept, vector, turn).item()
    best = spec.provenance["best_step"]
    assert found == pytest.approx(next(loss for step, _, loss in spec.provenance["curve"] if step == best))
    everywhere = Bench(lm, "layers.0", bench.norm, 32)
    with torch.no_grad():
        moved = OBJECTIVES.get(objective)(everywhere, kept, vector, turn).item()
    assert abs(moved - found) > 1e-3
    if objective == "lm":
        rows = bench.rows(kept, "positive")
        with steer(lm, [spec.with_strength(float(each)) for each in turn]), torch.no_grad():
            sums, counts = log_likelihood(lm, rows)
        assert found == pytest.approx(float(-sums.sum() / counts.sum()), rel=1e-5)


def test_bos_is_trained_where_it_is_not_skipped(lm):
    """The noted loss is that of the vector added at BOS too, and another one without."""
    spec = trained(lm, SEA, "layers.0", positions=[0, 3], skip=(), **QUICK)
    each, vector = only(spec)
    assert each.where == Where((0, 3), skip=()) and spec.provenance["settings"]["skip"] == []
    kept = Pairs.of(SEA, 0.25, seed=0).held_out
    turn = torch.tensor([(0.5, 1.0)[number % 2] for number in range(len(kept))])
    losses = []
    for where in (Where((0, 3), skip=()), Where((0, 3))):
        bench = Bench(lm, "layers.0", each.strength.measured_on["unit_value"], 32, where)
        with torch.no_grad():
            losses.append(OBJECTIVES.get("lm")(bench, kept, vector, turn).item())
    best = spec.provenance["best_step"]
    noted = next(loss for step, _, loss in spec.provenance["curve"] if step == best)
    assert losses[0] == pytest.approx(noted, abs=1e-5) and abs(losses[1] - noted) > 1e-4


def test_it_says_what_it_was_made_of(lm, tmp_path):
    spec = trained(lm, SEA, "blocks.1.hook_resid_post", objective="reps", **QUICK)
    each, vector = only(spec)
    assert (each.hookpoint, each.op, each.strength.unit, each.strength.value) == (
        "layers.1", "add", "residual_norm", 1.0,
    )  # fmt: skip
    assert vector.norm().item() == pytest.approx(1.0)
    assert spec.provenance["method"] == "trained" and spec.provenance["settings"]["objective"] == "reps"
    assert spec.provenance["concept"] == "sea" and spec.model.fingerprint == lm.fingerprint()
    json.dumps(spec.to_dict())
    spec.save(tmp_path / "a.yaml")
    assert load_spec(tmp_path / "a.yaml") == spec
    assert only(trained(lm, SEA, "layers.1", strength=0.2, **QUICK))[0].strength.value == 0.2


def test_the_same_seed_is_the_same_direction(lm):
    first, again, other = (only(trained(lm, SEA, "layers.1", seed=seed, **QUICK))[1] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("asking", [False, True])
def test_the_model_stays_as_it_is(asking):
    lm = tiny.llama()
    lm.hf.requires_grad_(asking)
    before = {name: each.clone() for name, each in lm.hf.named_parameters()}
    trained(lm, SEA, "layers.1", objective="reps", steps=3)
    for name, each in lm.hf.named_parameters():
        assert torch.equal(each, before[name]) and each.grad is None and each.requires_grad is asking
    assert tiny.hooks(lm) == 0 and not lm.hf.training


def test_an_outer_steering_has_no_say(lm):
    plain = trained(lm, SEA, "layers.1", **QUICK)
    with steer(lm, tiny.direction(value=8.0)):
        assert trained(lm, SEA, "layers.1", **QUICK) == plain


def test_pairs_share_no_text(lm):
    pairs = Pairs.of(SEA, 0.25, seed=0)
    assert (len(pairs.train), len(pairs.held_out)) == (6, 2)
    for side in ("positive", "negative"):
        kept, used = ({getattr(each, side) for each in part} for part in (pairs.held_out, pairs.train))
        assert not kept & used and kept | used == set(getattr(SEA, side))


def test_the_model_may_write_the_pairs(lm):
    prompts = ["the old dog", "a cat", "the rug", "then a dog"]
    pairs = Pairs.written(lm, SEA, prompts, 0.25, seed=0, max_new_tokens=5)
    assert len(pairs.held_out) == 1 and {each.prompt for each in (*pairs.train, *pairs.held_out)} <= set(
        prompts
    )
    tails = [each.positive for each in (*pairs.train, *pairs.held_out)]
    assert any(each.startswith(" swam in the sea") for each in tails)
    assert not any("{prompt}" in each or "the sea swam ." in each for each in tails)
    assert pairs == Pairs.written(lm, SEA, prompts, 0.25, seed=0, max_new_tokens=5)
    spec = trained(lm, SEA, "layers.1", prompts=prompts, steps=2)
    assert spec.provenance["prompts_sha256"] and trained(lm, SEA, "layers.1", steps=2) != spec


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objective": "rep"}, UnknownName, "did you mean 'reps'"),
        ({"factors": ()}, InputError, "factors are numbers above 0"),
        ({"factors": (0.5, -1)}, InputError, "factors are numbers above 0"),
        ({"held_out": 1.0}, InputError, "held_out is a share between 0 and 1"),
        ({"max_length": 1}, InputError, "max_length is a number of tokens"),
        ({"positions": "generated"}, InputError, "'all' or a window"),
        ({"positions": [3, 3]}, InputError, "a < b"),
        ({"positions": [40, 50]}, InputError, "positions begin at 40, but of the texts at most"),
        ({"steps": 0}, InputError, "steps is a whole number"),
        ({"prompts": ["one"]}, InputError, "prompts are two different texts or more"),
    ],
)
def test_what_cannot_be_meant(lm, options, error, message):
    with pytest.raises(error, match=message):
        trained(lm, SEA, "layers.1", **options)


def test_one_text_is_too_few(lm):
    few = Concept("sea", "", ("the wet sea",), ("a cat ran", "a dog ran"))
    with pytest.raises(InputError, match="one positive text, and training needs one more to stop by"):
        trained(lm, few, "layers.1")
