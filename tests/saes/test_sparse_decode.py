"""The product of sparse latents with decoder rows: the dense one, forward and backward, never made dense."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from saesteer.saes import SAEConfig, SparseLatents, TopKSAE
from saesteer.saes.sparse import active
from saesteer.saes.sparse_decode import ByRow, weighted_rows

ROWS, WIDTH = 20, 3


def drawn(n: int = 6, k: int = 4, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A table, and for every token k different rows, the last with weight 0 as padding: always row 0."""
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(ROWS, WIDTH, generator=draw, dtype=dtype)
    indices = torch.rand(n, ROWS, generator=draw).topk(k).indices
    weights = torch.randn(n, k, generator=draw, dtype=dtype)
    indices[:, -1], weights[:, -1] = 0, 0
    return table, indices, weights


def dense(table: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return weights.new_zeros(len(indices), len(table)).scatter_add(1, indices, weights) @ table


def test_it_is_the_matrix_product():
    z = torch.randn(6, ROWS, generator=torch.Generator().manual_seed(0)).relu()
    table = drawn(dtype=torch.float32)[0]
    torch.testing.assert_close(weighted_rows(table, *active(z)), z @ table)


@pytest.mark.parametrize("n", [0, 1, 6])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("padded", ["row 0", "a row twice", "all of it"])
def test_gradients_are_those_of_the_dense_form(n, k, padded):
    table, indices, weights = drawn(n, k)
    if padded == "a row twice":  # an entry of value 0 may name any row, that of another entry too
        indices[:, -1] = indices[:, 0]
    if padded == "all of it":
        weights.zero_()
    slope = torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    for run in (weighted_rows, dense):
        leaves = table.clone().requires_grad_(), weights.clone().requires_grad_()
        out = run(leaves[0], indices, leaves[1])
        out.backward(slope)
        found.append([out.detach(), *(each.grad for each in leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck():
    table, indices, weights = drawn()
    leaves = table.requires_grad_(), weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, w: weighted_rows(t, indices, w), leaves)


@pytest.mark.parametrize("table_too", [True, False])
def test_only_what_is_asked_for(table_too):
    table, indices, weights = drawn()
    weights.requires_grad_(not table_too)
    out = weighted_rows(table.requires_grad_(table_too), indices, weights)
    out.sum().backward()
    assert (table.grad is None) == (not table_too) and (weights.grad is None) == table_too
    with torch.no_grad():
        assert not weighted_rows(table, indices, weights).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    table, indices, weights = (each.to(dtype) if each.is_floating_point() else each for each in drawn())
    leaves = table.requires_grad_(), weights.requires_grad_()
    out = weighted_rows(leaves[0], indices, leaves[1])
    out.sum().backward()
    exact = [each.detach().double().requires_grad_() for each in leaves]
    expected = dense(exact[0], indices, exact[1])
    expected.sum().backward()
    assert out.dtype == leaves[0].grad.dtype == leaves[1].grad.dtype == dtype
    torch.testing.assert_close(out.double(), expected, rtol=0.02, atol=0.05)
    for ours, theirs in zip(leaves, exact, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=0.02, atol=0.05)


def test_the_same_bits_each_time_and_gradients_twice():
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(50, 16, generator=draw).requires_grad_()
    indices = torch.randint(0, 50, (3000, 8), generator=draw)
    weights = torch.randn(3000, 8, generator=draw)
    out = weighted_rows(table, indices, weights)
    slope = torch.randn_like(out)
    first, second = (torch.autograd.grad(out, table, slope, retain_graph=True)[0] for _ in range(2))
    again = torch.autograd.grad(weighted_rows(table, indices, weights), table, slope)[0]
    assert torch.equal(first, second) and torch.equal(first, again)


def test_a_table_that_was_changed_in_between_is_an_error():
    table, indices, weights = drawn()
    out = weighted_rows(table, indices, weights.requires_grad_())
    table += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


class Largest(TorchDispatchMode):
    """The most numbers that any tensor had which was made meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for each in found if isinstance(found, tuple | list) else (found,):
            if isinstance(each, torch.Tensor):
                self.numbers = max(self.numbers, each.numel())
        return found


def test_nothing_dense_is_made():
    n, k, d_sae, d_in = 256, 4, 1024, 16
    draw = torch.Generator().manual_seed(0)
    tensors = {"W_enc": torch.randn(d_in, d_sae, generator=draw), "b_enc": torch.zeros(d_sae)}
    tensors |= {"W_dec": torch.randn(d_sae, d_in, generator=draw), "b_dec": torch.zeros(d_in)}
    sae = TopKSAE(SAEConfig("topk", d_in, d_sae, k=k), tensors)
    sae.W_dec.requires_grad_()
    indices = torch.randint(0, d_sae, (n, k), generator=draw)
    values = torch.rand(n, k, generator=draw).requires_grad_()
    with Largest() as largest:
        sae.decode_sparse(SparseLatents(indices, values, d_sae)).square().sum().backward()
    assert largest.numbers == d_sae * d_in and values.grad.shape == (n, k)
    expected = torch.autograd.grad(dense(sae.W_dec, indices, values).square().sum(), sae.W_dec)[0]
    torch.testing.assert_close(sae.W_dec.grad, expected, rtol=1e-4, atol=1e-4)
    with Largest() as largest:
        dense(sae.W_dec, indices, values)
    assert largest.numbers == n * d_sae  # the measure sees it where it is made


def test_tokens_with_any_number_of_rows():
    tokens, rows = torch.tensor([1, 1, 3, 3]), torch.tensor([3, 5, 3, 0])  # tokens 0, 2 and 4 have none
    per_token, weights = torch.randn(5, WIDTH), torch.rand(4)
    expected = torch.zeros(ROWS, WIDTH).index_add_(0, rows, per_token[tokens] * weights[:, None])
    torch.testing.assert_close(ByRow(rows, tokens, ROWS).sums(per_token, weights), expected)
