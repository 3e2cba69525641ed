"""Interventions that act only while a latent is active."""

from __future__ import annotations

import pytest
import torch

from saesteer.errors import BadSpec
from saesteer.model import Tokens
from saesteer.steering import When, compile_edits, steer
from saesteer.steering.gates import Gate
from tests.steering import tiny

TEXTS = ["the cat sat on the old mat", "a dog ran", "and then a wet cat swam in the sea"]
VALUE = 4.0


def gated(scope: str = "token", above: float = 0.5, hookpoint: str = "layers.0", at: str = "layers.1"):
    return tiny.direction(at=at, value=VALUE, when=When("s", hookpoint, 3, above, scope))


def moved(lm, sae, tokens, spec, at="layers.1"):
    plain = lm.record(tokens, [at])[at]
    with steer(lm, spec, saes={"s": sae}):
        return (lm.record(tokens, [at])[at] != plain).any(-1)


def active(lm, sae, tokens, hookpoint="layers.0", above=0.5):
    return (sae.latent(lm.record(tokens, [hookpoint])[hookpoint], [3])[..., 0] > above) & tokens.mask


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("hookpoint", ["layers.0", "layers.1"])
def test_token_scope_is_the_tokens_where_it_fires(lm, sae, side, hookpoint):
    tokens = lm.tokenize(TEXTS, side=side)
    fires = active(lm, sae, tokens, hookpoint)
    content = tokens.mask & (tokens.ids != 1)
    assert 0 < (fires & content).sum() < content.sum()  # or the test shows nothing
    assert torch.equal(moved(lm, sae, tokens, gated(hookpoint=hookpoint)), fires & content)


@pytest.mark.parametrize("side", ["left", "right"])
def test_sequence_scope_stays_on(lm, sae, side):
    tokens = lm.tokenize(TEXTS, side=side)
    fires = active(lm, sae, tokens)
    content = tokens.mask & (tokens.ids != 1)
    expected = (fires.cumsum(-1) > 0) & content
    assert (expected & ~fires).any()
    assert torch.equal(moved(lm, sae, tokens, gated("sequence")), expected)


@pytest.mark.parametrize("scope", ["token", "sequence"])
@pytest.mark.parametrize("n", [1, 3])
def test_generation_is_gated_like_the_whole_text(lm, sae, scope, n):
    """Samples of one prompt are computed once for the prompt and apart from there."""
    spec = gated(scope, above=2.0)  # one row fires only in what it generates
    with steer(lm, spec, saes={"s": sae}):
        made = lm.generate(TEXTS, n=n, max_new_tokens=8, temperature=0, stop=False)
    prompts = tiny.prompt_ids(lm, TEXTS)
    tokens = Tokens.of([[*prompts[row.request], *row.ids] for row in made.rows])
    with steer(lm, spec, saes={"s": sae}):
        again = lm.logits(tokens)
    lengths = torch.tensor([len(prompts[row.request]) for row in made.rows])
    new = tokens.mask & (torch.arange(tokens.ids.shape[1]) >= lengths[:, None])
    acted = moved(lm, sae, tokens, spec)
    assert (acted & new).any() and (~acted & new).any()  # or the gate decided nothing
    for number, row in enumerate(made.rows):
        start = len(prompts[row.request]) - 1
        assert again[number, start : start + 8].argmax(-1).tolist() == list(row.ids)


def test_a_new_text_starts_unfired(lm, sae):
    spec = gated("sequence")
    tokens = lm.tokenize(TEXTS)
    silent = tokens[1:2]
    with steer(lm, spec, saes={"s": sae}):
        first = lm.record(silent, ["layers.1"])["layers.1"]
        lm.logits(tokens[2:3])
        lm.logits(tokens)
        assert torch.equal(lm.record(silent, ["layers.1"])["layers.1"], first)


def test_gates_of_one_latent_are_looked_at_once(lm, sae):
    both = tiny.join(gated(), gated("token"), gated("sequence"))
    edits, _ = compile_edits(lm, both, saes={"s": sae})
    assert len(edits) == 2 + 3


def test_a_gate_above_the_intervention_is_refused(lm, sae):
    tokens = lm.tokenize(TEXTS)
    with (
        pytest.raises(
            BadSpec, match=r"^interventions\[0\].when.hookpoint: layers.2 is computed after layers.1"
        ),
        steer(lm, gated(hookpoint="layers.2"), saes={"s": sae}),
    ):
        pass
    # A plain path has no place in the order; the run itself finds out, also in the second of two calls.
    late = gated(hookpoint="model.layers.2.post_attention_layernorm")
    with steer(lm, late, saes={"s": sae}):
        for _ in range(2):
            with pytest.raises(BadSpec, match=r"when.hookpoint: .* is computed after the intervention"):
                lm.logits(tokens)


def test_gates_work_per_row(lm, sae):
    tokens = lm.tokenize([TEXTS[0]] * 3)
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    fires = active(lm, sae, tokens)[0] & (tokens.ids[0] != 1)
    with steer(lm, [gated(), None, tiny.direction(value=VALUE)], saes={"s": sae}):
        found = (lm.record(tokens, ["layers.1"])["layers.1"] != plain).any(-1)
    assert torch.equal(found[0], fires)
    assert not found[1].any()
    assert torch.equal(found[2], tokens.ids[0] != 1)


def test_a_row_that_begins_late_has_no_past(lm, sae):
    """Left padding in chunks: the second row begins in the second chunk; an earlier text had fired there."""
    direction = sae.W_enc[:, 3] / sae.W_enc[:, 3].norm() ** 2
    on = 50.0 * direction
    ids = torch.tensor([[1, 5, 6, 7], [0, 0, 1, 5]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]]).bool()
    gate = Gate("layers.0", sae, 3, 1.0, sequence=True)

    def open_at(x, at):
        gate(x, at)
        return (gate.open(at) & at.mask).tolist()

    before = tiny.positions(lm, torch.tensor([[1, 5], [1, 7]]))  # both rows of an earlier text fire
    assert open_at(on.expand(2, 2, 16), before) == [[True, True], [True, True]]
    first, second = tiny.positions(lm, ids[:, :2], mask[:, :2]), tiny.positions(lm, ids, mask, start=2)
    x = torch.stack([torch.stack([-on, on]), torch.stack([on, on])])  # the padding fires too
    assert open_at(x, first) == [[False, True], [False, False]]
    assert open_at(-on.expand(2, 2, 16), second) == [[True, True], [False, False]]
