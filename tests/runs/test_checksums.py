"""Hashes: equal values are equal, different ones differ."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.runs import digest, plain, sha256_file
from saesteer.settings import Secret

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_the_digest_tells_values_apart(a, b):
    assert (digest(a) == digest(b)) == (repr_sorted(a) == repr_sorted(b))


def repr_sorted(value):
    if isinstance(value, dict):
        return "dict" + repr(sorted((key, repr_sorted(each)) for key, each in value.items()))
    return repr([repr_sorted(each) for each in value]) if isinstance(value, list) else repr(value)


def test_the_order_of_keys_does_not_count():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_values_are_turned_plain():
    @dataclass
    class Inner:
        path: Path

    value = {"a": Inner(Path("x/y")), "b": (np.int64(3), np.bool_(True)), "c": np.arange(2)}
    assert plain(value) == {"a": {"path": "x/y"}, "b": [3, True], "c": [0, 1]}


@pytest.mark.parametrize(
    "value", [float("nan"), np.float32("inf"), {1: 2}, {1, 2}, object(), b"", Secret("k")]
)
def test_what_has_no_plain_form_is_refused(value):
    with pytest.raises(InputError):
        digest({"a": [value]})


def test_a_file_is_hashed_as_its_bytes(tmp_path):
    data = b"x" * 3_000_000
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == sha256(data).hexdigest()
