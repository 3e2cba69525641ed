import dataclasses

import pytest

from saesteer.errors import InputError
from saesteer.text import Concept, check_contrast

SIX = [f"text number {i}" for i in range(6)]


def concept(**changes):
    fields = {"name": "wedding", "description": "Weddings.", "positive": SIX[:3], "negative": SIX[3:]}
    return Concept(**(fields | changes))


def test_lists_become_tuples_and_nothing_changes_afterwards():
    made = concept(labels=["wedding"], prefixes=["A wedding. {prompt}"])
    assert made.positive == tuple(SIX[:3])
    assert made.labels == ("wedding",)
    assert made == concept(labels=("wedding",), prefixes=("A wedding. {prompt}",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "sea"
    hash(made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "a concept's name is text, got ' '"),
        ({"name": None}, "a concept's name is text, got None"),
        ({"description": 3}, "the description is text, got 3"),
        ({"positive": []}, "there are no positive texts"),
        ({"negative": ()}, "there are no negative texts"),
        ({"positive": "one text"}, "positive is a list of texts, got str"),
        ({"positive": None}, "positive is a list of texts, got NoneType"),
        ({"positive": ["fine text", 7]}, "positive 2 is no text, got int"),
        ({"positive": [b"bytes here"]}, "positive 1 is no text, got bytes"),
        ({"negative": ["fine text", " \n "]}, "negative text 2 is empty"),
        ({"negative": ["fine text", "word"]}, "negative text 2 is one word ('word')"),
        ({"positive": ["a text", "b text", "a text"]}, "'a text' stands 2 times"),
        ({"positive": ["text number 4"]}, "'text number 4' is positive and negative"),
        ({"positive": ["half \ud800 letter"]}, "positive text 1 holds half a surrogate pair"),
        ({"labels": "wedding"}, "labels is a list of texts, got str"),
    ],
)
def test_what_is_no_contrast_is_refused_by_name(changes, message):
    with pytest.raises(InputError) as raised:
        concept(**changes)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_scripts_without_spaces_are_not_one_word():
    check_contrast(["結婚式に行きました。"], ["海を見ました。"])
    with pytest.raises(InputError, match="one word"):
        check_contrast(["婚"], ["海を見ました。"])


def test_a_split_shares_no_text_and_loses_none():
    made = concept(positive=[f"yes number {i}" for i in range(10)], negative=SIX)
    first, second = made.split(0.3, seed=1)
    assert (len(first.positive), len(second.positive)) == (3, 7)
    assert (len(first.negative), len(second.negative)) == (2, 4)
    assert sorted(first.positive + second.positive) == sorted(made.positive)
    assert sorted(first.negative + second.negative) == sorted(made.negative)
    assert made.split(0.3, seed=1) == (first, second)
    assert {made.split(0.3, seed=seed)[0].positive for seed in range(20)} != {first.positive}


def test_both_sides_of_a_split_hold_something():
    first, second = concept(positive=SIX[:2]).split(0.01)
    assert (len(first.positive), len(second.positive)) == (1, 1)
    with pytest.raises(InputError, match="two texts on each side"):
        concept(positive=SIX[:1]).split()
    with pytest.raises(InputError, match="between 0 and 1"):
        concept().split(1.0)
