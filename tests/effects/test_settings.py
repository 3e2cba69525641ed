"""What a procedure may be, and how its settings are named from outside."""

from __future__ import annotations

import pytest

from saesteer.effects import OPENERS, Scaling, Settings, settings_of
from saesteer.errors import InputError, UnknownName


def test_the_reference_is_that_of_the_paper():
    found = Settings.reference(loss=4.0)
    assert len(OPENERS) * found.n == 896 and found.n * len(OPENERS) * found.baseline == 8960
    assert (found.length, found.top_k, found.temperature, found.skip) == (32, 50, 1.0, ())
    search = found.scaling.search(123.0)
    assert search.grid == tuple(range(20, 201, 20)) and search.rounds == 0
    assert found.scaling.target(2.0) == 4.0 and Settings.reference().scaling.target(2.0) == 2.5


def test_the_grid_is_in_units_of_the_activations():
    one, other = Scaling().search(1.0).grid, Scaling().search(10.0).grid
    assert other == pytest.approx([10 * each for each in one]) and other[-1] == 80


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"n": 4, "delta": 0.3}, Settings(n=4, scaling=Scaling(delta=0.3))),
        ({"skip": "bos,special"}, Settings(skip=("bos", "special"))),
        ({"skip": "none", "counted": "all"}, Settings(counted="all")),
        ({"top_k": "null", "temperature": "0.5"}, Settings(top_k=None, temperature=0.5)),
        ({"rounds": "1", "shard": "8"}, Settings(shard=8, scaling=Scaling(rounds=1))),
        ({"strength": 3.0}, Settings(scaling=Scaling(strength=3.0))),
        ({"openers": ("a",)}, Settings(openers=("a",))),
        ({"delta": "3e-1", "top_k": "4"}, Settings(top_k=4, scaling=Scaling(delta=0.3))),
    ],
    ids=str,
)
def test_settings_by_name(named, expected):
    assert settings_of(named) == expected


def test_the_reference_with_something_changed():
    assert settings_of({"n": 1}, reference=True).scaling == Settings.reference().scaling


@pytest.mark.parametrize(
    ("named", "error", "match"),
    [
        ({"shards": 3}, UnknownName, "did you mean 'shard'"),
        ({"scaling": 3}, UnknownName, "unknown setting"),
        ({"n": "0"}, InputError, "at least 1"),
        ({"n": "many"}, InputError, "n is a whole number, got 'many'"),
        ({"n": "1.5"}, InputError, "n is a whole number, got 1.5"),
        ({"n": "true"}, InputError, "n is a whole number, got True"),
        ({"baseline": ".inf"}, InputError, "baseline is a whole number, got inf"),
        ({"length": "null"}, InputError, "length is a whole number, got None"),
        ({"length": "[1]"}, InputError, "length is a whole number"),
        ({"length": "1"}, InputError, "length is 2 tokens or more, got 1"),
        ({"shard": ".nan"}, InputError, "shard is a whole number, got nan"),
        ({"top_k": "1.5"}, InputError, "top_k is a whole number or null, got 1.5"),
        ({"temperature": "hot"}, InputError, "temperature is a number, got 'hot'"),
        ({"pilot": "1.5"}, InputError, "pilot is a whole number, got 1.5"),
        ({"rounds": ".inf"}, InputError, "rounds is a whole number, got inf"),
        ({"context": ".nan"}, InputError, "context is a whole number, got nan"),
        ({"factor": "[2]"}, InputError, r"factor is a number, got \[2\]"),
        ({"strength": "true"}, InputError, "strength is a number or null, got True"),
        ({"openers": "[1]"}, InputError, "openers are a list of texts"),
        ({"openers": "{a: 1}"}, InputError, "openers are a list of texts"),
        ({"counted": "some"}, InputError, "generated, text, all"),
        ({"loss": 3.0, "strength": 1.0}, InputError, "one of"),
        ({"loss": 3.0, "delta": 1.0}, InputError, "got loss and delta; give one"),
        ({"strength": "2.0", "delta": "1.0"}, InputError, "got strength and delta; give one"),
        ({"delta": 0.0}, InputError, "above 0"),
        ({"loss": float("nan")}, InputError, "above 0"),
        ({"context": "1"}, InputError, "2 tokens"),
        ({"openers": "one"}, InputError, "list of texts"),
        ({"openers": ()}, InputError, "list of texts"),
        ({"skip": "pad"}, InputError, "bos, special"),
        ({"top_k": "0"}, InputError, "top_k is at least 1"),
        ({"factor": 1.0}, InputError, "factor above 1"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(named, error, match):
    with pytest.raises(error, match=match):
        settings_of(named)
