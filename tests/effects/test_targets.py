"""Vectors from wanted effects: the formulas, and that they do what they are for."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from saesteer.effects import (
    Approximator,
    bias_direction,
    penalised_vector,
    pseudo_inverse_vector,
    targeted_vector,
)
from saesteer.errors import InputError
from tests.effects.linear import truth

KNOWN = truth(seed=4)
FOUND = KNOWN.approximator


def unit(v):
    return normalize(v, dim=-1)


def test_one_latent_by_the_formula():
    s = unit(KNOWN.M[:, 3]) - unit(KNOWN.M @ KNOWN.b)
    for columns in ("normalised", "raw"):
        torch.testing.assert_close(targeted_vector(FOUND, [(3, 2.5)], columns=columns), unit(s))
    half = unit(KNOWN.M[:, 3]) - 0.5 * unit(KNOWN.M @ KNOWN.b)
    torch.testing.assert_close(targeted_vector(FOUND, [(3, 1)], bias_weight=0.5), unit(half))
    torch.testing.assert_close(targeted_vector(FOUND, [(3, 1)], bias_weight=0), unit(KNOWN.M[:, 3]))


def test_several_and_negative_targets():
    target = [(3, 1.0), (5, -2.0)]
    columns = unit(KNOWN.M.T).T
    both = {
        "normalised": columns[:, 3] - 2 * columns[:, 5],
        "raw": KNOWN.M[:, 3] - 2 * KNOWN.M[:, 5],
    }
    for name, wanted in both.items():
        torch.testing.assert_close(targeted_vector(FOUND, target, bias_weight=0, columns=name), unit(wanted))
    predicted = FOUND.predict(targeted_vector(FOUND, target, bias_weight=0)) - FOUND.b
    assert predicted[3] > 0 > predicted[5]


def test_a_column_that_is_easily_moved_does_not_drown_the_other():
    M = KNOWN.M.clone()
    M[:, 5] *= 1000
    loud = Approximator(M, KNOWN.b)
    target = [(3, 1.0), (5, 1.0)]
    torch.testing.assert_close(
        targeted_vector(loud, target, bias_weight=0), targeted_vector(FOUND, target, bias_weight=0)
    )
    raw = targeted_vector(loud, target, bias_weight=0, columns="raw")
    assert raw @ unit(M[:, 3]) < targeted_vector(loud, target, bias_weight=0) @ unit(M[:, 3])


def test_the_pseudo_inverse_by_torch():
    t = torch.zeros(11, dtype=torch.float64)
    t[3], t[5] = 1.0, -2.0
    expected = (t / t.norm() - KNOWN.b.double()) @ torch.linalg.pinv(KNOWN.M.double())
    found = pseudo_inverse_vector(FOUND, [(3, 1.0), (5, -2.0)])
    torch.testing.assert_close(found.double(), unit(expected), rtol=1e-5, atol=1e-6)
    assert found.norm().item() == pytest.approx(1)


def test_the_pseudo_inverse_of_a_matrix_without_full_rank():
    M = KNOWN.M.clone()
    M[5] = M[0] + M[1]
    t = torch.zeros(11, dtype=torch.float64)
    t[3] = 1.0
    expected = (t - KNOWN.b.double()) @ torch.linalg.pinv(M.double(), rtol=1e-6)
    found = pseudo_inverse_vector(Approximator(M, KNOWN.b), [(3, 1.0)])
    torch.testing.assert_close(found.double(), unit(expected), rtol=1e-4, atol=1e-5)


def side_effects(x, latent):
    """Everything but the target, for as much of the target, b aside."""
    y = FOUND.predict(x) - FOUND.b
    others = torch.cat([y[:latent], y[latent + 1 :]])
    return float(others.norm() / y[latent])


def test_the_penalty_buys_fewer_side_effects():
    weighed = [
        side_effects(penalised_vector(FOUND, [(3, 1.0)], side_effects=w, shrink=1e-4, bias_weight=0), 3)
        for w in (1e-6, 1e-2, 1.0)
    ]
    assert weighed[0] > weighed[1] > weighed[2] > 0
    assert weighed[2] < side_effects(targeted_vector(FOUND, [(3, 1.0)], bias_weight=0), 3)


def test_its_ends_are_the_raw_target_and_least_squares():
    large = penalised_vector(FOUND, [(3, 1.0), (5, -2.0)], shrink=1e6, bias_weight=0)
    torch.testing.assert_close(
        large,
        targeted_vector(FOUND, [(3, 1.0), (5, -2.0)], bias_weight=0, columns="raw"),
        rtol=1e-3,
        atol=1e-4,
    )
    t = torch.zeros(11)
    t[3] = 1.0
    least = torch.linalg.lstsq(KNOWN.M.T, t).solution
    found = penalised_vector(FOUND, [(3, 1.0)], side_effects=1.0, shrink=1e-8, bias_weight=0)
    torch.testing.assert_close(found, unit(least), rtol=1e-3, atol=1e-4)


def test_latents_to_avoid():
    plain = penalised_vector(FOUND, [(3, 1.0)], side_effects=0.0, bias_weight=0, shrink=1e-3)
    careful = penalised_vector(
        FOUND, [(3, 1.0)], side_effects=0.0, avoid={7: 100.0}, bias_weight=0, shrink=1e-3
    )

    def moved(x):
        return abs(float((x @ KNOWN.M)[7] / (x @ KNOWN.M)[3]))

    assert moved(careful) < 0.01 * moved(plain)
    with pytest.raises(InputError, match="latent 3 is a target and to be avoided"):
        penalised_vector(FOUND, [(3, 1.0)], avoid={3: 1.0})


def test_the_bias_direction():
    torch.testing.assert_close(bias_direction(FOUND), -unit(KNOWN.M @ KNOWN.b))
    with pytest.raises(InputError, match="M b is zero"):
        bias_direction(Approximator(KNOWN.M, torch.zeros(11)))
    flat = Approximator(KNOWN.M, torch.zeros(11))
    with pytest.raises(InputError, match="give bias_weight 0"):
        targeted_vector(flat, [(3, 1.0)])
    targeted_vector(flat, [(3, 1.0)], bias_weight=0)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([], "at least one latent"),
        ([(11, 1.0)], "latents are 0 to 10, got 11"),
        ([(-1, 1.0)], "latents are 0 to 10, got -1"),
        ([(True, 1.0)], "got True"),
        ([(3, 1.0), (3, 2.0)], "stands twice"),
        ([(3, 0.0)], "weighs 0.0"),
        ([(3, float("nan"))], "weighs nan"),
        ([3], "pairs of a latent and its weight, got 3"),
        ([(3, "much")], "pairs of a latent"),
    ],
)
@pytest.mark.parametrize("form", [targeted_vector, pseudo_inverse_vector, penalised_vector])
def test_targets_that_are_none(form, target, message):
    with pytest.raises(InputError, match=message):
        form(FOUND, target)


def test_a_latent_that_nothing_moved():
    M = KNOWN.M.clone()
    M[:, 3] = 0
    for form in (targeted_vector, penalised_vector, pseudo_inverse_vector):
        with pytest.raises(InputError, match="latent 3 was moved by no vector"):
            form(Approximator(M, KNOWN.b), [(3, 1.0)])


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        (targeted_vector, {"bias_weight": -1}, "bias_weight is a number of 0 or more"),
        (targeted_vector, {"columns": "unit"}, "columns is one of normalised, raw"),
        (penalised_vector, {"side_effects": float("nan")}, "side_effects is a number"),
        (penalised_vector, {"shrink": 0}, "shrink is a number above 0"),
        (penalised_vector, {"avoid": {12: 1.0}}, "latents are 0 to 10"),
    ],
)
def test_options_that_cannot_be_meant(form, options, message):
    with pytest.raises(InputError, match=message):
        form(FOUND, [(3, 1.0)], **options)
