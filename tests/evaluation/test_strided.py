"""Windows that overlap: every token once, with the most before it; one window is the text read at once."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.evaluation import perplexity, strided_surprise, surprise
from saesteer.evaluation.fluency import perplexity_of
from saesteer.evaluation.strided import windows
from saesteer.steering import Where, steer
from tests.evaluation.conftest import WORDS

LONG = " ".join(WORDS[i * i % 16] for i in range(150))
TEXTS = ["sea ship wave salt", LONG, "one two"]


@given(st.integers(2, 90), st.integers(1, 30), st.integers(2, 40), st.integers(1, 39))
def test_every_token_counts_once_and_sees_the_most(length, start, window, stride):
    start, stride = min(start, length - 1), min(stride, window - 1)
    found = windows(length, start, window, stride)
    counted = [i for begin, end, first in found for i in range(first, end)]
    assert counted == list(range(start, length))
    every = [b for b in range(0, length, stride)]
    for begin, end, first in found:
        assert begin in every and end - begin <= window and first > begin
        for i in range(first, end):
            assert begin == min(b for b in every if b < i < b + window)


@torch.no_grad()
def test_long_texts_as_summed_by_hand(lm):
    (found,) = strided_surprise(lm, None, None, [LONG], window=20, stride=7)
    ids = lm.tokenize([LONG]).ids[0]
    nats = 0.0
    for i in range(1, len(ids)):
        begin = max(0, math.ceil((i - 19) / 7)) * 7
        logp = lm.hf(ids[None, begin:i]).logits[0, -1].log_softmax(-1)
        nats -= float(logp[ids[i]])
    assert found[0].tokens == len(ids) - 1
    assert found[0].nats == pytest.approx(nats, abs=1e-3)


def test_one_window_is_the_unstrided_perplexity(lm):
    short = [TEXTS[0], TEXTS[2]]
    (found,) = strided_surprise(lm, None, None, short)
    assert perplexity_of(found) == pytest.approx(perplexity(lm, short), rel=1e-6)
    starts = ["one two", "bell"]
    texts = [f" {each}" for each in short]
    (found,) = strided_surprise(lm, None, None, texts, starts)
    for each, other in zip(found, surprise(lm, texts, starts), strict=True):
        assert (each.tokens, each.nats) == (other.tokens, pytest.approx(other.nats, abs=1e-4))


@pytest.mark.parametrize("batch_tokens", [40, 16384])
def test_strengths_share_batches_and_agree_with_one_at_a_time(lm, spec, batch_tokens, monkeypatch):
    monkeypatch.setattr(lm, "batch_tokens", batch_tokens)
    found = strided_surprise(lm, spec, [0.0, 0.5, 3.0], TEXTS, window=32, stride=16)
    assert [[each.tokens for each in row] for row in found] == [[4, 150, 2]] * 3
    plain = strided_surprise(lm, None, None, TEXTS, window=32, stride=16)[0]
    for strength, row in zip((0.0, 0.5, 3.0), found, strict=True):
        with steer(lm, spec.with_strength(strength)):
            ids = lm.tokenize(TEXTS[:1])
            expected = float(lm.nll(ids).sum())
        assert row[0].nats == pytest.approx(expected, abs=1e-4)
    assert [each.nats for each in found[0]] == pytest.approx([each.nats for each in plain], abs=1e-4)
    assert found[2][1].nats != pytest.approx(found[0][1].nats, rel=1e-3)


def test_the_models_own_limit_cuts_the_window(lm):
    (found,) = strided_surprise(lm, None, None, [LONG])
    (same,) = strided_surprise(lm, None, None, [LONG], window=64, stride=32)
    assert found == same


def test_what_is_placed_from_the_begin_is_refused_in_later_windows(lm, spec):
    first = replace(spec, interventions=(replace(spec.interventions[0], where=Where("first")),))
    strided_surprise(lm, first, [1.0], [TEXTS[0]])
    with pytest.raises(InputError, match="placed from the text's begin"):
        strided_surprise(lm, first, [1.0], [LONG])
    for window, stride in ((8, 8), (8, 0)):
        with pytest.raises(InputError, match="below the window"):
            strided_surprise(lm, None, None, TEXTS, window=window, stride=stride)


def test_the_plain_model_is_plain_also_inside_steer(lm, spec):
    expected = strided_surprise(lm, None, None, TEXTS[:1])
    with steer(lm, spec.with_strength(4.0)):
        assert strided_surprise(lm, None, None, TEXTS[:1]) == expected
