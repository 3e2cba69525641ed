"""kl and nats: the resolved strength is at the stated distance, and that is stored."""

from dataclasses import replace

import pytest

from saesteer.calibration import resolve_calibrated
from saesteer.errors import BadSpec, InputError
from saesteer.evaluation import divergences
from saesteer.steering import SteeringSpec, Where, steer

TEXTS = ["one two three four", "sea five six", "bell ship nine ten one"]


@pytest.mark.parametrize(("unit", "value"), [("kl", 0.2), ("nats", 0.1), ("kl", -0.2), ("kl", 1e-4)])
def test_the_resolved_strength_is_at_that_distance(lm, spec, unit, value):
    found = resolve_calibrated(lm, spec.with_strength(value, unit), TEXTS)
    (each,) = found.interventions
    assert (each.strength.value, each.strength.unit) == (value, unit)
    assert each.strength.plain * value > 0
    (measured,) = divergences(lm, spec, [each.strength.plain], TEXTS)
    assert getattr(measured, unit) == pytest.approx(abs(value), rel=0.01)
    noted = each.strength.measured_on
    assert noted["measured"] == pytest.approx(getattr(measured, unit)) and noted["texts"] == 3
    assert noted["tokens"] == 12


def test_it_is_stored_with_the_spec_and_steers(lm, spec, tmp_path):
    found = resolve_calibrated(lm, spec.with_strength(0.3, "kl"), TEXTS)
    found.save(tmp_path / "kl.yaml")
    loaded = SteeringSpec.load(tmp_path / "kl.yaml")
    assert loaded == found
    tokens = lm.tokenize(TEXTS)
    with steer(lm, loaded):
        steered = lm.logits(tokens)
    with steer(lm, spec.with_strength(found.interventions[0].strength.plain)):
        assert (lm.logits(tokens) == steered).all()


def test_what_is_resolved_stays_unless_texts_are_given(lm, spec):
    found = resolve_calibrated(lm, spec.with_strength(0.3, "kl"), TEXTS)
    assert resolve_calibrated(lm, found) is found
    other = resolve_calibrated(lm, found, TEXTS[:1])
    assert other.interventions[0].strength.plain != found.interventions[0].strength.plain
    plain = spec.with_strength(2.0)
    assert resolve_calibrated(lm, plain, TEXTS) is plain
    off = spec.with_strength(0.0, "kl")
    assert resolve_calibrated(lm, off, TEXTS) is off


def test_a_length_of_its_own_is_no_matter(lm, spec):
    """The tensor's length changes the raw number, not what is done."""
    plain = resolve_calibrated(lm, spec.with_strength(0.2, "kl"), TEXTS).interventions[0].strength.plain
    length = float(spec.tensors["v"].value.norm())
    own = replace(spec, interventions=(replace(spec.interventions[0], normalize=False),))
    found = resolve_calibrated(lm, own.with_strength(0.2, "kl"), TEXTS).interventions[0].strength.plain
    assert found * length == pytest.approx(plain, rel=0.01)


def test_the_distance_is_of_the_whole_spec(lm, spec):
    each = spec.interventions[0]
    both = replace(spec, interventions=(each.with_strength(0.2, "kl"), replace(each, hookpoint="layers.0")))
    found = resolve_calibrated(lm, both, TEXTS)
    (measured,) = divergences(lm, [found], None, TEXTS)
    assert measured.kl == pytest.approx(0.2, rel=0.01)
    assert found.interventions[1] == both.interventions[1]
    assert found.interventions[0].strength.plain != pytest.approx(
        resolve_calibrated(lm, spec.with_strength(0.2, "kl"), TEXTS).interventions[0].strength.plain, rel=0.01
    )


def test_a_distance_that_no_strength_has(lm, spec):
    each = spec.interventions[0]
    nowhere = replace(each, where=Where(token_ids=(14,))).with_strength(0.2, "kl")
    inert = replace(spec, interventions=(nowhere,))
    with pytest.raises(InputError, match=r"no strength is 0\.2 kl .*: up to .* raw it is 0 at most"):
        resolve_calibrated(lm, inert, TEXTS[:1])
    with pytest.raises(InputError, match="no strength is 99 nats"):
        resolve_calibrated(lm, spec.with_strength(99, "nats"), TEXTS)


def test_a_distance_that_is_jumped_over(lm, spec):
    """What else the spec does is too far already, so that no strength of the rest is at that distance."""
    each = spec.interventions[0]
    loud = replace(each.with_strength(9.0), hookpoint="layers.0")
    both = replace(spec, interventions=(loud, each.with_strength(1e-4, "kl")))
    with pytest.raises(InputError, match=r"it jumps from 0 at 0 raw to .*; give the strength in raw"):
        resolve_calibrated(lm, both, TEXTS)


def test_one_distance_for_one_spec(lm, spec):
    each = spec.interventions[0]
    both = replace(spec, interventions=(each.with_strength(0.2, "kl"), each.with_strength(0.1, "nats")))
    with pytest.raises(BadSpec, match=r"got 0.1 nats and 0.2 kl"):
        resolve_calibrated(lm, both, TEXTS)


def test_figures_of_before_further_criteria_are_read():
    from saesteer.calibration.records import as_json, read_figures
    from saesteer.evaluation import Figures
    from saesteer.statistics import Interval

    one = Interval(0.1, 0.2, 0.3, 0.95)
    found = Figures(3, 0, 2, None, one, None, None, None, None, None, None, others={"rhyme": one})
    record = as_json(found)
    assert read_figures(record) == found
    older = {
        name: each for name, each in record.items() if name not in ("mean_product", "harmonic", "others")
    }
    assert read_figures(older).others == {} and read_figures(older).behaviour == one
