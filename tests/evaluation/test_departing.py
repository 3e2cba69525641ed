"""First Divergence Token: against greedy texts written one by one."""

import pytest

from saesteer.errors import InputError
from saesteer.evaluation import departures, first_divergence
from saesteer.evaluation.departing import greedy
from saesteer.steering import steer

PROMPTS = ["one two", "three", "four five six", "bell", "sea ship", "ten nine"]
STRENGTHS = [0.0, 0.3, 3.0]


def alone(lm, spec, strength, prompt, n):
    with steer(lm, spec.with_strength(strength)):
        return lm.generate([prompt], 1, n, temperature=0.0).rows[0].ids


@pytest.mark.parametrize("size", [256, 5])
def test_places_are_those_of_texts_written_alone(lm, spec, monkeypatch, size):
    monkeypatch.setattr("saesteer.evaluation.departing.AT_ONCE", size)
    found = departures(lm, spec, STRENGTHS, PROMPTS, 12)
    for strength, each in zip(STRENGTHS, found, strict=True):
        expected = [
            first_divergence(alone(lm, spec, strength, p, 12), alone(lm, spec, 0.0, p, 12)) for p in PROMPTS
        ]
        assert list(each.places) == expected
    assert found[0].places == (None,) * 6 and found[0].never.estimate == 1 and found[0].mean.estimate == 12
    assert found[2].never.estimate < 1 and found[2].mean.estimate < found[1].mean.estimate <= 12


def test_against_another_setting(lm, spec):
    same, other = departures(lm, spec, [1.0, 0.0], PROMPTS, 10, against=1.0)
    assert set(same.places) == {None}
    assert other.places == departures(lm, spec, [1.0], PROMPTS, 10)[0].places
    by_spec = departures(lm, spec, [0.0], PROMPTS, 10, against=spec.with_strength(1.0))
    assert by_spec[0].places == other.places


def test_the_plain_model_is_plain_also_inside_steer(lm, spec):
    expected = greedy(lm, [(None, 0.0)], PROMPTS, 5)
    with steer(lm, spec.with_strength(5.0)):
        assert greedy(lm, [(None, 0.0)], PROMPTS, 5) == expected
    with pytest.raises(InputError, match="need settings, prompts"):
        greedy(lm, [(None, 0.0)], [], 5)
