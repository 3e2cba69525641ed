"""`--set NAME=VALUE`: values of a wrong kind are refused, for every option of every method."""

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from saesteer.cli.inputs import settings_of
from saesteer.errors import InputError
from saesteer.methods import METHODS, TABLE, random_direction
from saesteer.methods.option_values import checked
from saesteer.steering import load_spec

WRONG = ("abc", "1.5", "-1", "true", "[]", "[1]", "[a, 1]", "{a: 1}", ".nan", "2024-01-01", "null")
OPTIONS = [
    (name, option)
    for name in TABLE
    for option in inspect.signature(METHODS.get(name)).parameters
    if option not in ("lm", "concept", "sae", "source", "strength", "at", "effects", "scores", "judge")
]


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=".".join)
def test_what_passes_is_of_the_kind_that_the_method_says(name, option):
    method, passed = METHODS.get(name), 0
    for text in WRONG:
        try:
            value = checked(method, settings_of([f"{option}={text}"]))[option]
        except InputError as error:
            assert str(error).startswith(f"--set: {option} "), error
        else:
            passed += 1
            assert _is(get_type_hints(method)[option], value), (text, value)
    assert 0 < passed + 1 < len(WRONG)


def _is(hint: Any, value: Any) -> bool:
    """By the annotation as it is spelt, another way than the code that is tested."""
    spelt = hint.__name__ if isinstance(hint, type) and "[" not in repr(hint) else repr(hint)
    kinds = {bool: "bool", int: "int", float: "float", str: "str", dict: "Mapping", type(None): "None"}
    if isinstance(value, list | tuple):
        return "Sequence" in spelt or "tuple" in spelt
    return kinds[type(value)] in spelt or (isinstance(value, str) and "Literal" in spelt)


def own(
    lm: Any,
    rate: float = 0.1,
    pair: tuple[int, str] = (0, ""),
    by: dict[int, float] | None = None,
    where: Path | None = None,
) -> None: ...


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rate=1e-3", 0.001),
        ("rate=2", 2.0),
        ("pair=[3, a]", (3, "a")),
        ("where=null", None),
    ],
)
def test_values_as_people_write_them(text, value):
    name = text.partition("=")[0]
    assert checked(own, settings_of([text])) == {name: value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate=fast", "--set: rate is a finite number, got 'fast'; mend it"),
        ("rate=1e999", "--set: rate is a finite number, got inf"),
        ("pair=[a, 3]", "--set: pair is a list [of a whole number, text], got ['a', 3]"),
        ("pair=[1]", "--set: pair is a list"),
        ("where=here", "--set: where can be given in Python alone, got 'here'; leave it out"),
    ],
)
def test_what_is_refused_says_what_may_be_given(text, expected):
    with pytest.raises(InputError) as caught:
        checked(own, settings_of([text]))
    assert expected in str(caught.value)


def test_a_method_whose_annotations_cannot_be_read_takes_what_it_is_given():
    def outsider(lm, some: "Nowhere" = 1): ...  # noqa: F821

    assert checked(outsider, {"some": [1]}) == {"some": [1]}
    assert checked(random_direction, {"seed": 3}) == {"seed": 3}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--method", "opening", "--set", "end=abc"], "end is a whole number, got 'abc'"),
        (["--method", "diffmean", "--set", "bos=none"], "bos is true or false, got 'none'"),
        (["--method", "probe", "--set", "seed=-1"], "a seed is a whole number from 0"),
        (["--method", "probe", "--seed", "-1"], "a seed is a whole number from 0"),
    ],
)
def test_on_the_command_line(run, place, tmp_path, options, expected):
    said = run("steer", "world/sea", "-m", place.model, *options, "--out", tmp_path / "spec.yaml")
    assert (said.code, said.out) == (2, "") and expected in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_null_is_a_value_of_its_own(run, place, tmp_path):
    """It was dropped, so that the default stayed."""
    line = ("steer", "world/sea", "-m", place.model, "--method", "actadd", "--out", tmp_path / "spec.yaml")
    pair = ("--set", "pair=[A story about the sea., A story.]")
    said = run(*line, *pair, "--set", "normalize=null")
    assert said.code == 2 and "normalize is true or false, got None" in said.err
    assert run(*line, *pair, "--set", "filler=null").code == 0
    assert load_spec(tmp_path / "spec.yaml").provenance["method"] == "actadd"
