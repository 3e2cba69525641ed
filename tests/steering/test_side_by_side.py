"""Steered beside unsteered: the same luck, and each side as its own call writes it."""

from saesteer.steering import side_by_side, steer
from tests.steering import tiny

PROMPTS = ["the cat", "a dog"]
HOW = {"max_new_tokens": 5, "seed": 3}


def test_each_side_is_what_its_own_call_writes(lm):
    spec = tiny.direction(value=20.0)
    pairs = side_by_side(lm, spec, PROMPTS, 2, **HOW)
    assert [(each.prompt, each.request, each.sample) for each in pairs] == [
        (prompt, request, sample) for request, prompt in enumerate(PROMPTS) for sample in (0, 1)
    ]
    assert [each.unsteered for each in pairs] == [row.text for row in lm.generate(PROMPTS, 2, **HOW)]
    with steer(lm, spec):
        assert [each.steered for each in pairs] == [row.text for row in lm.generate(PROMPTS, 2, **HOW)]
    assert any(each.steered != each.unsteered for each in pairs)
    off = side_by_side(lm, spec.with_strength(0.0), PROMPTS, **HOW)
    assert all(each.steered == each.unsteered for each in off)
