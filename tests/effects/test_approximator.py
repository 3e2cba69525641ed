"""The record of a fit: predicts, refuses, survives a folder."""

from __future__ import annotations

import json

import pytest
import torch

from saesteer.effects import Approximator, fit
from saesteer.errors import CorruptFile, InputError, ShapeMismatch
from tests.effects.linear import truth


def test_any_length_predicts_the_same():
    known = truth()
    found = known.approximator.predict(known.x[:5] * torch.tensor([[0.1], [1.0], [3.0], [7.0], [1e3]]))
    torch.testing.assert_close(found, known.y[:5], rtol=1e-4, atol=1e-4)
    assert known.approximator.predict(known.x[0]).shape == (11,)


def test_vectors_without_a_direction_or_of_another_width():
    found = truth().approximator
    for wrong in (torch.zeros(6), torch.full((2, 6), torch.nan)):
        with pytest.raises(InputError, match="no direction"):
            found.predict(wrong)
    with pytest.raises(ShapeMismatch, match="takes vectors of width 6"):
        found.predict(torch.ones(7))


def test_a_folder_holds_all_of_it(tmp_path):
    found = fit(truth(noise=0.1).chunks, provenance={"hookpoint": "layers.1", "sae_sha256": "ab"})
    found.save(tmp_path / "a")
    again = Approximator.load(tmp_path / "a")
    for name in ("M", "b", "r2"):
        assert torch.equal(getattr(again, name), getattr(found, name))
    assert (again.ridge, again.meta, again.provenance) == (found.ridge, found.meta, found.provenance)
    assert again.fingerprint() == found.fingerprint()
    bare = Approximator(found.M, found.b)
    bare.save(tmp_path / "b")
    assert Approximator.load(tmp_path / "b").r2 is None


def test_the_fingerprint_is_of_what_decides():
    found = truth().approximator
    assert Approximator(found.M, found.b, 0.1, meta={"a": 1}).fingerprint() == found.fingerprint()
    assert Approximator(found.M, found.b + 1).fingerprint() != found.fingerprint()


def test_tensors_of_another_fit_are_noticed(tmp_path):
    truth().approximator.save(tmp_path / "a")
    truth(seed=1).approximator.save(tmp_path / "b")
    (tmp_path / "b" / "approximator.safetensors").rename(tmp_path / "a" / "approximator.safetensors")
    with pytest.raises(CorruptFile, match="not the one of its record"):
        Approximator.load(tmp_path / "a")


def test_records_of_something_else(tmp_path):
    truth().approximator.save(tmp_path)
    path = tmp_path / "approximator.json"
    record = json.loads(path.read_text())
    for wrong in ([], {}, {**record, "version": 2}, {**record, "more": 1}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(CorruptFile, match="no approximator of this version"):
            Approximator.load(tmp_path)
    for name, value in (("ridge", "x"), ("meta", [1]), ("provenance", "x")):
        path.write_text(json.dumps({**record, name: value}))
        with pytest.raises(CorruptFile, match=f"{name} is .*; fit it anew"):
            Approximator.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"b": torch.zeros(10)}, ShapeMismatch),
        ({"M": torch.zeros(6)}, ShapeMismatch),
        ({"r2": torch.zeros(3)}, ShapeMismatch),
        ({"b": torch.full((11,), torch.inf)}, InputError),
        ({"ridge": -1.0}, InputError),
        ({"meta": {"a": {1}}}, InputError),
    ],
)
def test_what_cannot_be_one(change, error):
    with pytest.raises(error):
        Approximator(**{"M": torch.ones(6, 11), "b": torch.ones(11), **change})
