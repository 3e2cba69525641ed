"""Luck of a row's own, and the distribution that it is drawn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saesteer.errors import InputError
from saesteer.model.sampling import Sampling, choose, draws

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 1.5, -30.0]])


def shares(how: Sampling, logits: torch.Tensor = LOGITS, count: int = 20000) -> torch.Tensor:
    draw = draws(0, np.arange(count), np.zeros(count, dtype=np.int64), 1)[:, 0]
    chosen, broken = choose(logits.expand(count, -1), draw, how)
    assert not broken.any()
    return torch.bincount(chosen, minlength=logits.shape[-1]) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_come_as_often_as_they_should(temperature):
    assert torch.allclose(shares(Sampling(temperature)), (LOGITS[0] / temperature).softmax(-1), atol=0.012)


def test_top_k_leaves_k(k=2):
    expected = torch.tensor([LOGITS[0, 0], -torch.inf, -torch.inf, LOGITS[0, 3], -torch.inf]).softmax(-1)
    assert torch.allclose(shares(Sampling(top_k=2)), expected, atol=0.012)
    assert shares(Sampling(top_k=99)).count_nonzero() == 4  # more than there are: all


def test_top_p_leaves_the_smallest_set_with_the_mass():
    p = LOGITS[0].softmax(-1)  # 0.52 0.03 0.12 0.32 0
    both = torch.tensor([p[0], 0, 0, p[3], 0])
    assert torch.allclose(shares(Sampling(top_p=0.6)), both / both.sum(), atol=0.012)
    assert shares(Sampling(top_p=0.3)).tolist() == [1, 0, 0, 0, 0]
    assert shares(Sampling(top_p=1.0)).count_nonzero() == 4
    both = shares(Sampling(top_k=2, top_p=0.5))  # of the two left, the first has 0.62
    assert both.tolist() == [1, 0, 0, 0, 0]


def test_temperature_0_takes_the_likeliest():
    assert shares(Sampling(0.0)).tolist() == [1, 0, 0, 0, 0]


def test_the_ends_of_a_draw_fall_on_possible_tokens():
    logits = torch.full((2, 5), -torch.inf)
    logits[:, 1], logits[:, 3] = 0.0, 0.0
    ends = torch.tensor([0.0, 1 - 2**-23])
    assert choose(logits, ends, Sampling())[0].tolist() == [1, 3]
    assert choose(logits, ends, Sampling(top_p=0.99))[0].tolist() in ([1, 3], [3, 1])


@pytest.mark.parametrize(
    "how",
    [Sampling(0.0), Sampling(), Sampling(0.5, top_k=2), Sampling(top_p=0.5), Sampling(top_k=2, top_p=0.5)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_row_is_broken_wherever_its_logits_are_no_distribution(how, dtype):
    logits = LOGITS.repeat(5, 1)
    logits[1, 3], logits[2, 4] = torch.nan, torch.inf
    logits[3] = -torch.inf
    logits[4, 0] = -torch.inf  # one that is forbidden is none
    chosen, broken = choose(logits.to(dtype), torch.full((5,), 0.5), how)
    assert broken.tolist() == [False, True, True, True, False]
    assert chosen.min() >= 0 and chosen.max() < 5 and chosen[4] != 0


def test_draws_are_uniform_and_independent():
    request, sample = np.divmod(np.arange(400), 20)
    table = draws(7, request, sample, 50)
    assert table.shape == (400, 50) and table.min() >= 0 and table.max() < 1
    assert abs(table.mean() - 0.5) < 0.01 and abs(table.var() - 1 / 12) < 0.002
    counts = torch.histc(table, 20, 0, 1)
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-squared, 19 degrees, p = 0.0007
    correlation = torch.corrcoef(table.T[:10]) - torch.eye(10)
    assert correlation.abs().max() < 0.25
    assert len(set(table.flatten().tolist())) > 19000


def test_a_draw_depends_on_its_four_coordinates_alone():
    one = np.array([3])
    base = draws(1, one, one, 4)
    table = draws(1, np.arange(6), np.full(6, 3), 9)
    assert torch.equal(table[3, :4], base[0])
    for other in (draws(2, one, one, 4), draws(1, one + 1, one, 4), draws(1, one, one - 1, 4)):
        assert not torch.isclose(other, base).any()
    assert not torch.isclose(draws(-1, one, one, 4), base).any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": -1.0}, "temperature is a number from 0 up, got -1.0"),
        ({"temperature": float("nan")}, "got nan"),
        ({"temperature": float("inf")}, "got inf"),
        ({"temperature": 1e-40}, "temperature is 0 or at least 1e-30, got 1e-40"),
        ({"top_k": 0}, "top_k is at least 1, got 0"),
        ({"top_p": 0.0}, "top_p is above 0 and at most 1, got 0.0"),
        ({"top_p": 1.5}, "got 1.5"),
    ],
)
def test_impossible_ways_to_sample(fields, message):
    with pytest.raises(InputError, match=message):
        Sampling(**fields)
