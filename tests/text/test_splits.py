"""Splits by document: no text on both sides, whatever the order."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.text import Document, parted, split

THREE = {"train": 0.6, "valid": 0.2, "test": 0.2}
texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1, max_size=40)


def documents(found, labels=("0",)):
    return [Document(text, str(i), labels[i % len(labels)]) for i, text in enumerate(found)]


@given(texts, st.randoms(use_true_random=False), st.integers(0, 9), st.booleans())
def test_equal_texts_are_together_in_any_order(found, random, seed, stratified):
    given_ = documents(found + found[:5], ("0", "1", None))
    parts = split(given_, THREE, seed, stratified=stratified)
    where = {" ".join(each.text.split()): name for name, part in parts.items() for each in part}
    assert sum(map(len, parts.values())) == len(given_)
    assert all(where[" ".join(each.text.split())] == name for name, part in parts.items() for each in part)
    shuffled = list(given_)
    random.shuffle(shuffled)
    again = split(shuffled, THREE, seed, stratified=stratified)
    assert {name: {each.id for each in part} for name, part in again.items()} == {
        name: {each.id for each in part} for name, part in parts.items()
    }


def test_a_part_does_not_depend_on_the_other_texts():
    many = documents([f"text {i}" for i in range(50)])
    assert dict((each.id, name) for name, each in parted(many, THREE)) | {} == {
        each.id: next(parted([each], THREE))[0] for each in many
    }


def test_shares_are_about_right_and_the_seed_matters():
    many = documents([f"text {i}" for i in range(5000)])
    parts = {seed: split(many, THREE, seed) for seed in (0, 1)}
    for name, share in THREE.items():
        assert len(parts[0][name]) == pytest.approx(5000 * share, rel=0.08)
    both = {each.id for each in parts[0]["test"]} & {each.id for each in parts[1]["test"]}
    assert len(both) == pytest.approx(5000 * 0.04, rel=0.3)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
def test_strata_hold_their_shares(positives, negatives, seed):
    held = documents([f"yes {i}" for i in range(positives)], ("1",))
    held += documents([f"no {i}" for i in range(negatives)], ("0",))
    parts = split(held, {"a": 0.5, "b": 0.5}, seed, stratified=True)
    for label, count in (("1", positives), ("0", negatives)):
        sizes = [Counter(each.label for each in part)[label] for part in parts.values()]
        assert abs(sizes[0] - sizes[1]) <= 1 and sum(sizes) == count


def test_every_part_gets_one_of_each_kind_where_it_can():
    parts = split(documents([f"t {i}" for i in range(4)]), {"a": 0.9, "b": 0.1}, stratified=True)
    assert [len(part) for part in parts.values()] == [3, 1]


def test_a_stream_is_not_held():
    endless = (Document(f"text {i}", str(i)) for i in iter(int, 1))
    assert next(parted(endless, {"all": 1.0}))[0] == "all"


def test_pairs_can_stay_together():
    held = [Document(f"{side} {i}", f"{side}{i}", side, {"pair": i}) for i in range(40) for side in "ab"]
    parts = split(held, {"train": 0.5, "test": 0.5}, key=lambda each: str(each.meta["pair"]))
    pairs = [{each.meta["pair"] for each in part} for part in parts.values()]
    assert not pairs[0] & pairs[1] and min(map(len, pairs)) > 8


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}])
def test_shares_that_are_none(shares):
    with pytest.raises(InputError, match="shares"):
        split(documents(["a"]), shares)
