"""Power against quadrature, scipy's noncentral t, known numbers and simulated experiments."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.statistics import (
    PairSpread,
    fewest_pairs,
    pair_spread,
    pairs_needed,
    power_note,
    power_of_pairs,
    sign_flip_test,
    smallest_effect,
)


@given(st.floats(0.0, 3.0), st.integers(2, 200), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=40, deadline=None)
def test_power_is_that_of_a_normal_mean_over_an_estimated_deviation(size, pairs, alpha):
    edge, shift = scipy.stats.t.ppf(1 - alpha / 2, pairs - 1), size * math.sqrt(pairs)
    share = (np.arange(40_000) + 0.5) / 40_000
    deviation = np.sqrt(scipy.stats.chi2.ppf(share, pairs - 1) / (pairs - 1))
    found = scipy.stats.norm.cdf(shift - edge * deviation) + scipy.stats.norm.cdf(-edge * deviation - shift)
    assert power_of_pairs(2 * size, 2.0, pairs, alpha) == pytest.approx(found.mean(), abs=1e-4)


@given(st.floats(0.0, 1.0), st.integers(2, 60))
def test_power_is_scipys_where_that_has_a_number(size, pairs):
    edge, shift = scipy.stats.t.ppf(0.975, pairs - 1), size * math.sqrt(pairs)
    sides = scipy.stats.nct.sf(edge, pairs - 1, shift), scipy.stats.nct.cdf(-edge, pairs - 1, shift)
    if np.isfinite(sides).all():
        assert power_of_pairs(size, 1.0, pairs) == pytest.approx(sum(sides), abs=1e-6)


@pytest.mark.parametrize(
    ("size", "alpha", "power", "pairs"),
    [(0.5, 0.05, 0.8, 34), (0.2, 0.05, 0.8, 199), (0.8, 0.05, 0.8, 15), (0.5, 0.01, 0.9, 63)],
)
def test_known_sample_sizes(size, alpha, power, pairs):
    """Those of the usual tables of the paired t test."""
    assert pairs_needed(size, 1.0, alpha, power) == pairs
    assert pairs_needed(-3 * size, 3.0, alpha, power) == pairs


@given(st.floats(0.05, 4.0), st.floats(0.1, 5.0))
def test_the_number_is_the_smallest_that_is_enough(effect, sd):
    pairs = pairs_needed(effect, sd)
    assert power_of_pairs(effect, sd, pairs) >= 0.8
    assert pairs == 2 or power_of_pairs(effect, sd, pairs - 1) < 0.8
    seen = smallest_effect(sd, pairs)
    assert seen <= effect * (1 + 1e-9) and power_of_pairs(seen, sd, pairs) == pytest.approx(0.8, abs=1e-6)


def test_the_ends():
    assert pairs_needed(0.0, 1.0) is None and pairs_needed(math.inf, 1.0) is None
    assert pairs_needed(1.0, 0.0) == 2 and pairs_needed(1e-9, 1.0) is None
    assert power_of_pairs(1.0, 1.0, 1) == 0 and smallest_effect(1.0, 1) is None
    assert power_of_pairs(0.0, 1.0, 30) == pytest.approx(0.05)
    assert power_of_pairs(0.2, 1.0, 10**6) == 1.0


def made(rng, prompts, m, k, between, within, effect):
    """Two settings on the same prompts, whose own levels differ."""
    level, change = rng.normal(0, 5, prompts), rng.normal(effect, between, prompts)
    one = (level + change)[:, None] + rng.normal(0, within, (prompts, m))
    other = level[:, None] + rng.normal(0, 2 * within, (prompts, k))
    groups = np.arange(prompts)
    return one.ravel(), groups.repeat(m), other.ravel(), groups.repeat(k)


def test_the_spread_is_found_again():
    found = pair_spread(*made(np.random.default_rng(0), 4000, 3, 2, 1.5, 0.5, 0.3))
    assert (found.between, found.one, found.other) == pytest.approx((1.5, 0.5, 1.0), rel=0.05)
    assert PairSpread(3.0, 2.0, 4.0).of_difference(1, 4) == pytest.approx(math.sqrt(9 + 4 + 4))


def test_experiments_of_the_size_that_is_named_find_the_effect_as_often_as_said():
    rng = np.random.default_rng(1)
    spread = PairSpread(0.5, 1.0, 2.0)
    prompts = pairs_needed(0.8, spread.of_difference(4, 2))
    hits = 0
    for _ in range(1000):
        one, _, other, _ = made(rng, prompts, 4, 2, 0.5, 1.0, 0.8)
        gaps = one.reshape(prompts, 4).mean(1) - other.reshape(prompts, 2).mean(1)
        hits += scipy.stats.ttest_1samp(gaps, 0).pvalue <= 0.05
    assert 765 <= hits <= 850


def test_more_comparisons_need_more_pairs():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), 2)
    one, other = rng.normal(1.0, 1.0, 24), rng.normal(0.0, 1.0, 24)
    note = power_note(one, groups, other, groups)
    sd = note.spread.of_difference(2, 2)
    assert note.needed_at(0.05) == note.needed
    assert note.needed_at(0.05 / 20) == max(9, pairs_needed(note.effect, sd, 0.05 / 20)) > note.needed
    large = power_note(one + 100, groups, other, groups)
    assert (large.needed_at(0.05), large.needed_at(0.05 / 6)) == (6, 8) == (6, fewest_pairs(0.05 / 6))
    assert power_note(one, groups, one, groups).needed_at(0.01) is None


def test_a_note_says_what_is_needed_and_what_can_be_seen():
    sample = made(np.random.default_rng(2), 12, 3, 3, 0.5, 0.5, 1.0)
    note = power_note(*sample)
    assert (note.prompts, note.samples_one, note.samples_other) == (12, 3, 3)
    sd = note.spread.of_difference(3, 3)
    assert note.needed == max(6, pairs_needed(note.effect, sd)) and note.samples == 6 * note.needed
    assert note.smallest == smallest_effect(sd, 12) and f"takes {note.needed} prompts" in note.sentence
    smaller = power_note(*sample, effect=note.effect / 4)
    assert smaller.needed == pairs_needed(note.effect / 4, sd) > 40 and smaller.smallest == note.smallest
    none = power_note(*sample, effect=0.0)
    assert none.needed is none.samples is None and none.sentence.startswith("no number of prompts")


@pytest.mark.parametrize("alpha", [0.05, 0.01, 2**-6, 0.5])
def test_fewer_pairs_than_the_fewest_cannot_be_significant_by_flips_of_signs(alpha):
    fewest = fewest_pairs(alpha)
    assert sign_flip_test(np.ones(fewest)) <= alpha < sign_flip_test(np.ones(fewest - 1))


def test_a_note_never_asks_for_fewer_prompts_than_the_test_can_use():
    """A large difference in four prompts: a t test would need three, flips of signs six."""
    prompts = np.arange(4)
    note = power_note(np.array([1.0, 1.0, 0.9, 0.8]), prompts, np.zeros(4), prompts)
    assert pairs_needed(note.effect, note.spread.of_difference(1, 1)) < 6
    assert note.needed == fewest_pairs(0.05) == 6 and note.smallest is None
    assert note.sentence.endswith("takes 6 prompts (12 texts)")


def test_only_prompts_that_both_have_count():
    note = power_note(
        np.array([1.0, 2.0, 9.0]), np.array(["a", "b", "c"]), np.zeros(3), np.array(["a", "b", "d"])
    )
    assert note.prompts == 2 and note.effect == 1.5 and note.spread.one == 0


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: pairs_needed(1.0, -1.0), "standard deviation"),
        (lambda: pairs_needed(1.0, 1.0, alpha=0), "between 0 and 1"),
        (lambda: pairs_needed(1.0, 1.0, alpha=0.5, power=0.4), "power above alpha"),
        (lambda: pair_spread(np.ones(2), np.zeros(2), np.ones(2), np.zeros(2)), "two prompts at least"),
        (lambda: pair_spread(np.ones(2), np.zeros(3), np.ones(2), np.zeros(2)), "one group per value"),
    ],
)
def test_what_has_no_answer_is_refused(call, told):
    with pytest.raises(InputError, match=told):
        call()
