"""Plain values from strangers' text: the same as the plain readers give, and nothing that explodes."""

import json
import time

import pytest
import yaml

from saesteer.parsing import DEPTH, parse_json, parse_yaml

PLAIN = {"a": [1, 2.5, None, True, "x: y"], "b": {"c": "é"}, "d": []}


def test_plain_values_are_read_as_ever():
    assert parse_json(json.dumps(PLAIN)) == PLAIN
    assert parse_yaml(yaml.safe_dump(PLAIN)) == PLAIN
    assert parse_yaml("") is None


def test_numbers_with_an_exponent_are_numbers():
    """The reader is of YAML 1.1, to which 1e-3 is text; JSON and every person read a number."""
    texts = ("1e-3", "2E5", "-1.5e4", ".5e1", "+3.e2")
    assert parse_yaml("[" + ", ".join(texts) + "]") == [0.001, 2e5, -1.5e4, 5.0, 300.0]
    words = ["e3", "1e", "0x1e3g", "12e3f", "1e3 4"]
    assert parse_yaml("[" + ", ".join(words) + "]") == words
    assert parse_yaml("'1e-3'") == "1e-3"


def test_aliases_are_refused_before_they_grow():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.process_time()
    with pytest.raises(ValueError, match=r"^aliases .* are not taken"):
        parse_yaml(bomb)
    assert time.process_time() - start < 5  # it would take hours


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("depth", [DEPTH + 1, 3000, 100_000])
def test_nesting_has_an_end(parse, depth):
    if parse is parse_yaml and depth > 3000:
        depth = 3000  # its scanner is slow, and what it refuses is the same
    with pytest.raises(ValueError, match=f"^nested more than {DEPTH} deep$"):
        parse("[" * depth + "]" * depth)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_what_is_just_deep_enough_is_read(parse):
    assert parse("[" * (DEPTH - 1) + "]" * (DEPTH - 1)) is not None


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_json, '{"a": '), (parse_yaml, "a: [1"), (parse_yaml, "a: !!python/object:os.x {}")],
)
def test_a_reason_is_one_line(parse, text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_json, '{"a": 1, "b": {"op": 1, "op": 2}}'),
        (parse_yaml, "a: 1\nb: {op: 1, op: 2}"),
        (parse_yaml, "op: 1\na: 2\nop: 1"),
    ],
)
def test_a_key_that_stands_twice_is_refused(parse, text):
    """The plain readers keep the last one and say nothing."""
    with pytest.raises(ValueError, match=r"^the key 'op' stands twice"):
        parse(text)
