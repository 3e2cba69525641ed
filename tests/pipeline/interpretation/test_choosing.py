"""Which latents are meant."""

import numpy as np
import pytest

from saesteer.cache import LatentCache, cache_of_matrix
from saesteer.errors import InputError, UnknownName
from saesteer.examples import LatentId
from saesteer.pipeline.interpretation import choose

MATRIX = np.zeros((12, 40))
MATRIX[:, 5:25] = 1.0  # active at every token
MATRIX[0, 30] = 1.0  # active once


@pytest.fixture(scope="module")
def cache():
    one, two = (
        cache_of_matrix(matrix, np.arange(12), np.array([0, 6, 12]), ("a",) * 12, name)
        for matrix, name in ((MATRIX, "late"), (MATRIX[:, ::-1], "early"))
    )
    return LatentCache(one.tokens, {**one.tables, **two.tables}, one.strings)


def numbers(latents, sae="late"):
    return [each.latent for each in latents if each.sae == sae]


def test_a_number_is_of_each_sae_and_drawn_by_the_seed(cache):
    found = choose(cache, 7, least=2)
    assert len(numbers(found)) == len(numbers(found, "early")) == 7
    assert set(numbers(found)) < set(range(5, 25)) and set(numbers(found, "early")) < set(range(15, 35))
    assert (
        found
        == choose(cache, "7", least=2)
        == tuple(sorted(found, key=lambda each: (each[0] != "late", each)))
    )
    assert found != choose(cache, 7, least=2, seed=1)
    assert numbers(found) != [39 - each for each in reversed(numbers(found, "early"))]  # each its own luck


def test_all_and_more_than_there_are(cache):
    assert numbers(choose(cache, "all", least=1)) == [*range(5, 25), 30]
    assert numbers(choose(cache, 1000, least=2)) == [*range(5, 25)]
    with pytest.raises(InputError, match="no latent is active in 13 windows or more"):
        choose(cache, "all", least=13)


def test_a_number_is_drawn_from_those_that_are_enough(cache):
    found = choose(cache, 6, enough=lambda each: each.latent % 2 == 0)
    assert len(numbers(found)) == 6 and not {each % 2 for each in numbers(found)} - {0}
    assert len(choose(cache, "all", enough=lambda each: False)) == 42


def test_lists_by_sae_and_by_mapping(cache):
    both = (LatentId("late", 3), LatentId("late", 7), LatentId("early", 1))
    assert choose(cache, "early/1, late/7,late/3,late/3") == both
    assert choose(cache, [both[2], both[1], both[0]]) == both
    assert choose(cache, {"early": "1", "late": [3, 7]})[:2] == both[:2]
    found = choose(cache, {"late": "9-11,2"})
    assert numbers(found) == [2, 9, 10, 11]
    only = LatentCache(cache.tokens, {"late": cache["late"]}, cache.strings)
    assert numbers(choose(only, "0-2,39")) == [0, 1, 2, 39] and numbers(choose(only, [4])) == [4]


@pytest.mark.parametrize(
    ("asked", "error", "match"),
    [
        ("3,4", InputError, "several SAEs .late, early.; name one, as in late/17"),
        ("late/40", InputError, "latents of late are 0 to 39, got 40"),
        ([LatentId("late", -1)], InputError, "0 to 39, got -1"),
        ("layers.9/3", UnknownName, "unknown SAE of the cache 'layers.9'"),
        ("late/x", InputError, "latents are a number, all, or a list such as .* got 'late/x'"),
        (0, InputError, "at least 1 of each SAE, got 0"),
        (True, InputError, "a number, a list or all, got True"),
        ({"late": 0}, InputError, "at least 1"),
        ("late/7-3", InputError, "a range of latents goes up, such as 10-20, got 'late/7-3'"),
        (",", InputError, "latents are a number, all, or a list .* got ','"),
        ("²", InputError, "latents are a number, all, or a list .* got '²'"),
        ("", InputError, "a number, all or a list .* got ''"),
        ([], InputError, r"a number, all or a list .* got \[\]"),
        ({}, InputError, "a number, all or a list .* got {}"),
        (2.5, InputError, "a number, all or a list .* got 2.5"),
        ({"late": [3, "x"]}, InputError, "holds whole numbers such as 17, got 'x'"),
        ({"late": [True]}, InputError, "holds whole numbers such as 17, got True"),
    ],
)
def test_what_cannot_be_meant(cache, asked, error, match):
    with pytest.raises(error, match=match):
        choose(cache, asked)
