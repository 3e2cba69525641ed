"""The k largest: as torch.topk gives them, of equal ones the first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.saes.topk_select import largest


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(1, 700),
    share=st.floats(0.001, 1),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["reals", "few", "bfloat16", "equal"]),
)
def test_largest_is_topk_and_of_equal_ones_the_first(n, share, seed, kind):
    k = max(1, int(n * share))
    h = torch.randn(3, 2, n, generator=torch.Generator().manual_seed(seed))
    h = {"reals": h, "few": h.round(), "bfloat16": h.bfloat16(), "equal": torch.ones_like(h)}[kind]
    values, indices = largest(h, k)
    assert torch.equal(values.sort(descending=True).values, h.topk(k).values)
    assert torch.equal(h.gather(-1, indices), values)
    first = h.sort(dim=-1, descending=True, stable=True).indices[..., :k]
    assert torch.equal(indices.sort().values, first.sort().values)


def test_largest_takes_the_fast_way():
    """Groups of groups: 8 x 8 x 66 numbers."""
    h = torch.randn(5, 8 * 8 * 66, generator=torch.Generator().manual_seed(2))
    values, indices = largest(h, 32)
    assert torch.equal(values.sort().values, h.topk(32).values.flip(-1))
    assert torch.equal(h.gather(-1, indices), values)
    assert largest(h[:0], 32)[1].shape == (0, 32)
    assert largest(h[0], 32)[1].shape == (32,)


@pytest.mark.parametrize("n", [100, 8 * 64])
def test_what_is_no_number_is_seen_and_infinities_are_the_largest(n):
    h = torch.randn(6, n, generator=torch.Generator().manual_seed(1))
    h[0, 70], h[1, 3], h[1, 60], h[2, 9], h[3], h[4] = (
        torch.nan,
        torch.nan,
        torch.inf,
        -torch.inf,
        torch.nan,
        1,
    )
    h[5] = torch.inf
    values, indices = largest(h, 4)
    assert values.isnan().sum(-1).tolist() == [1, 1, 0, 4, 0, 0]
    assert (values == torch.inf).sum(-1).tolist() == [0, 1, 0, 0, 0, 4]
    assert indices[4].sort().values.tolist() == indices[5].sort().values.tolist() == [0, 1, 2, 3]


def test_the_gradient_goes_to_what_was_chosen():
    h = torch.tensor([[1.0, 3.0, 3.0, 3.0, 0.0, 2.0, -1.0, 0.5, 9.0]], requires_grad=True)
    values, _ = largest(h, 3)
    values.sum().backward()
    assert h.grad is not None and h.grad.tolist() == [[0, 1, 1, 0, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize("k", [3, 64])
def test_what_was_chosen_is_no_view_of_the_numbers(k):
    """Whose memory is used again for the next tokens."""
    h = torch.randn(2, 64, generator=torch.Generator().manual_seed(3))
    values, indices = largest(h, k)
    expected = h.gather(-1, indices)
    h.zero_()
    assert torch.equal(values, expected) and bool((values != 0).all())
