"""A closed loop within a budget of KL: the loop stays closed while its strength is looked for."""

import pytest

from saesteer.calibration import calibrate
from saesteer.evaluation import divergences
from saesteer.methods import closed_loop, diffmean
from tests.methods.concepts import SEA
from tests.steering import tiny

AT = "layers.1"


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


@pytest.mark.parametrize("loop", ["until", "control"])
def test_the_largest_strength_within_the_budget_is_found(lm, loop):
    at = {"until": AT, "control": "layers.0"}[loop]
    spec = closed_loop(lm, SEA, at, loop=loop, rare=0.3)
    found = calibrate(lm, spec, SEA, budget={"kl": 0.2}, texts=SEA.positive)
    assert found.verdict.works
    more = found.spec.with_strength(1.1 * found.strength.estimate)
    (held, over) = divergences(lm, [found.spec, more], None, SEA.positive)
    assert 0.15 < held.kl <= 0.2 < over.kl
    (each,), (was,) = found.spec.interventions, spec.interventions
    assert (each.when, each.control) == (was.when, was.control) and (each.when or each.control)
    assert found.spec.provenance["loop"] == loop
    assert found.spec.provenance["calibrated"]["budget"] == {"kl": 0.2}


def test_where_the_concept_is_found_the_same_budget_goes_further(lm):
    """The open loop goes on; on texts that hold nothing of the concept both are alike."""
    open_, closed = diffmean(lm, SEA, AT), closed_loop(lm, SEA, AT, rare=0.3)
    one, other = (
        calibrate(lm, each, SEA, budget={"kl": 0.2}, texts=SEA.positive).strength.estimate
        for each in (open_, closed)
    )
    assert other > 1.05 * one
