"""Perplexity against the sum done by hand, distinct-n against counts by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.evaluation import distinct_n, first_divergence, perplexity, surprise


def by_hand(lm, prompt, text):
    """Nats of the text's tokens, one forward pass, no batch."""
    start = len(lm.tokenize([prompt]).ids[0]) if prompt else 1
    ids = lm.tokenize([prompt + text]).ids
    logp = lm.hf(ids).logits[0].log_softmax(-1)
    return [-float(logp[i - 1, ids[0, i]]) for i in range(start, ids.shape[1])]


@torch.no_grad()
def test_only_the_texts_own_tokens_count_in_any_batch(lm):
    texts = [" sea ship wave", " one", "", " salt salt salt salt two", " bell"]
    prompts = ["one two three", "four", "five", "", "six seven eight nine ten"]
    for batch in (1, 2, 8):
        found = surprise(lm, texts, prompts, batch)
        for each, text, prompt in zip(found, texts, prompts, strict=True):
            expected = by_hand(lm, prompt, text) if text else []
            assert each.tokens == len(expected)
            assert each.nats == pytest.approx(sum(expected), abs=1e-4)
    assert found[2].per_token is None


@torch.no_grad()
def test_perplexity_is_over_tokens_not_texts(lm):
    long, short = " sea ship wave salt", " one"
    nats = by_hand(lm, "two", long) + by_hand(lm, "two", short)
    assert len(nats) == 5
    assert perplexity(lm, [long, short], ["two", "two"]) == pytest.approx(math.exp(sum(nats) / 5), rel=1e-5)


def test_nothing_to_predict_is_an_error(lm):
    with pytest.raises(InputError, match="none of the 1 texts"):
        perplexity(lm, [""], ["one"])
    with pytest.raises(InputError, match="2 texts have 1 prompts"):
        surprise(lm, [" a", " b"], ["one"])


def test_one_odd_text_does_not_lose_the_others(lm):
    long = " sea" * 200  # the model has 64 positions
    cut, other = surprise(lm, [long, " one"], ["two", "two"])
    assert cut.tokens == 64 - len(lm.tokenize(["two"]).ids[0])
    assert other.nats == pytest.approx(surprise(lm, [" one"], ["two"])[0].nats, abs=1e-4)
    assert surprise(lm, [" one"], ["two" + long])[0].tokens == 0


def test_distinct_n_counts():
    assert distinct_n(["a b a b", "a c"], 1) == pytest.approx(3 / 6)
    assert distinct_n(["a b a b", "a c"], 2) == pytest.approx(3 / 4)  # ab ba ab, ac
    assert distinct_n(["A a"], 1) == 0.5
    assert distinct_n(["a", ""], 2) is None
    with pytest.raises(InputError, match="at least one"):
        distinct_n(["a"], 0)


@given(st.lists(st.text("ab ", max_size=12), max_size=5), st.integers(1, 3))
def test_distinct_n_lies_in_its_range_and_falls_when_a_text_is_said_twice(texts, n):
    once = distinct_n(texts, n)
    assert once is None or 0 < once <= 1
    if once is not None:
        assert distinct_n(texts * 2, n) == pytest.approx(once / 2)


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ([1, 2, 3], [1, 2, 3], None),
        ([1, 2, 3], [1, 5, 3], 1),
        ([1, 2], [1, 2, 3], 2),
        ([], [], None),
        ([], [4], 0),
    ],
)
def test_first_divergence(one, other, place):
    assert first_divergence(one, other) == first_divergence(other, one) == place
