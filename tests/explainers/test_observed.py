"""What is counted, and the phrases that are made of it."""

import pytest

from saesteer.explainers.observed import AFTER, BEFORE, EDGE, EVERY, observed
from saesteer.explainers.phrases import phrase
from tests.explainers.made import WEDDING, record


def beside(**shares):
    """`b1`: one before; `a1`: one after; elsewhere nothing."""
    places = {f"b{-n}": n for n in BEFORE} | {f"a{n}": n for n in AFTER}
    return {offset: shares.get(name, {EDGE: 1.0}) for name, offset in places.items()}


def test_weak_activations_are_neither_active_nor_silent():
    seen = observed(record(["the bride|9 saw a dog|0.5 @."] * 5, ["the dog ran @."]))
    assert set(seen.fires_on) == {"bride"} and seen.rates == {"bride": 1.0}
    assert seen.silent_words["dog"] == pytest.approx(1 / (5 * 4 + 4))


def test_shares_are_of_the_activation():
    seen = observed(record(["the bride|6 met a groom|2 @.", "a bride|8 @."], ["the dog ran @."]))
    assert seen.fires_on["bride"].inside == pytest.approx(14 / 16)
    assert seen.beside[EVERY][-1] == pytest.approx({"the": 6 / 16, "a": 10 / 16})
    assert seen.beside[EVERY][2] == pytest.approx({"a": 6 / 16, EDGE: 10 / 16})
    assert seen.places == pytest.approx({1: 14 / 16, 4: 2 / 16})


def test_only_the_sentence_is_around():
    seen = observed(
        record(["Rain fell @. The bride|9 wore lace @. Dogs ran @."] * 2, ["lace is made here @."])
    )
    assert seen.around["lace"].inside > 0 and "Dogs" not in seen.around and "wore lace" in seen.around


def test_what_repeats_in_a_row_counts_once():
    once, often = (
        observed(record([f"the bride|9 {'lace ' * n}@." for _ in range(3)])).around["lace"].count
        for n in (1, 5)
    )
    assert once == often == 3


def test_a_neighbour_that_stands_everywhere_is_not_said():
    seen = beside(b1={"the": 1.0})
    assert phrase(seen, beside(b1={"the": 0.1, "a": 0.9})).before == (("the",),)
    assert not phrase(seen, beside(b1={"the": 0.5, "a": 0.5}))


def test_a_phrase_has_one_gap_and_one_turn_on_a_side():
    many = {f"w{n}": 0.1 for n in range(10)}
    rare = beside(b1={"x": 1.0}, b2={"x": 1.0}, b3={"x": 1.0}, b4={"x": 1.0}, a1={"x": 1.0}, a2={"x": 1.0})
    found = phrase(beside(b1=many, b2={"the": 1.0}, b3=many, b4={"of": 1.0}), rare)
    assert found.before == (("the",), ()) and found.length == 1
    two = {"his": 0.5, "her": 0.5}
    found = phrase(beside(b1=two, b2={"up": 0.9, "": 0.1}, b3=two), rare)
    assert found.before == (("up",), ("her", "his")) and found.words == {"up", "her", "his"}
    assert phrase(beside(a1={"to": 0.8, "of": 0.2}), rare).after == (("to",),)
    assert not phrase(beside(b1={".": 1.0}), rare)


def test_windows_of_testing_are_not_read():
    seen = observed(WEDDING)
    assert "SECRET" not in {*seen.silent_words, *seen.fires_on, *seen.around}
