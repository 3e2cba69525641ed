import numpy as np
import pytest

from saesteer.errors import InputError
from saesteer.latents import histogram, summarise, top_contexts
from tests.latents.test_rows import D_SAE, made

# Three documents of BOS and four tokens; latent 2 is as strong as it gets on BOS, which must not show.
VALUES = [9, 0, 1, 3, 0, 9, 2, 2, 0, 0, 9, 0, 0, 0, 0.5]
SPECIAL = [i % 5 == 0 for i in range(15)]
DENSE = np.zeros((15, D_SAE))
DENSE[:, 2] = VALUES
ROWS = made(DENSE, [i // 5 for i in range(15)], SPECIAL)


def test_the_strongest_come_first_one_per_document():
    found = top_contexts(ROWS, 2)
    assert [(each.document, each.activation) for each in found] == [(0, 3.0), (1, 2.0), (2, 0.5)]
    assert [each.tokens[each.peak] for each in found] == [" t3", " t6", " t14"]
    assert [each.activations[each.peak] for each in found] == [3.0, 2.0, 0.5]


def test_windows_stay_in_their_document_and_hold_no_bos():
    first, second, third = top_contexts(ROWS, 2, before=2, after=1)
    assert (first.text, first.activations) == (" t1 t2 t3 t4", (0.0, 1.0, 3.0, 0.0))
    assert (second.text, second.peak) == (" t6 t7", 0)
    assert (third.text, third.peak) == (" t12 t13 t14", 2)
    assert top_contexts(ROWS, 2, before=0, after=0)[0].tokens == (" t3",)


def test_more_per_document_and_fewer_in_all():
    found = top_contexts(ROWS, 2, n=4, per_document=2)
    assert [each.activation for each in found] == [3.0, 2.0, 2.0, 1.0]
    assert [each.tokens[each.peak] for each in found] == [" t3", " t6", " t7", " t2"]
    assert top_contexts(ROWS, 0) == ()


def test_histograms_and_summaries_are_of_content_tokens():
    found = summarise(ROWS, 2, bins=3)
    assert found.histogram == histogram(ROWS, 2, bins=3)
    assert found.histogram.counts == (1, 1, 3)
    assert found.histogram.edges == (0.0, 1.0, 2.0, 3.0)
    assert (found.tokens, found.density, found.documents) == (12, 5 / 12, 3)
    assert (found.max, found.mean) == (3.0, 1.7)


def test_a_silent_latent_has_no_histogram():
    found = summarise(ROWS, 1)
    assert (found.density, found.documents, found.max, found.mean) == (0, 0, 0, 0)
    assert found.histogram.counts == ()


def test_a_latent_may_be_active_under_0():
    """As those of tanh and identity are."""
    dense = DENSE.copy()
    dense[[4, 7], 2] = -1, -2
    rows = made(dense, [i // 5 for i in range(15)], SPECIAL)
    found = summarise(rows, 2, bins=5)
    assert (found.density, found.max, found.documents) == (6 / 12, 3.0, 3)
    assert found.mean == pytest.approx((1 + 3 - 1 + 2 - 2 + 0.5) / 6)
    assert found.histogram.edges == (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0) and sum(found.histogram.counts) == 6
    assert [each.activation for each in top_contexts(rows, 2)] == [3.0, 2.0, 0.5]


def test_bad_numbers_are_refused():
    with pytest.raises(InputError, match="latents are 0 to 4"):
        top_contexts(ROWS, 7)
    with pytest.raises(InputError, match="n and per_document of 1 or more"):
        top_contexts(ROWS, 2, n=0)
    with pytest.raises(InputError, match="one bin or more"):
        histogram(ROWS, 2, bins=0)
