"""The bounds of the cheaper product hold, and selection behind them is that of the float32 product."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.saes import first_pass_probe
from saesteer.saes.first_pass import FINE, FirstPass
from saesteer.saes.topk_select import largest

KINDS = ("random", "near ties", "scales", "many equal", "tiny", "one direction")


def case(kind: str, n: int, d: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, encoder and bias."""
    draw = torch.Generator().manual_seed(seed)
    x, W = torch.randn(n, d, generator=draw), torch.randn(d, width, generator=draw)
    b = torch.randn(width, generator=draw)
    if kind == "near ties":  # columns that differ by less than bfloat16 sees
        W = W[:, :1] * (1 + 1e-4 * torch.rand(1, width, generator=draw))
    if kind == "scales":  # latents and tokens over ten orders
        W = W * 10 ** (10 * torch.rand(width, generator=draw) - 5)
        x = x * 10 ** (10 * torch.rand(n, 1, generator=draw) - 5)
    if kind == "many equal":
        W = W[:, torch.arange(width) % 7]
        b = torch.zeros(width)
    if kind == "tiny":
        x, W, b = x * 1e-25, W * 1e-18, b * 1e-42
    if kind == "one direction":  # every product of one sign, so that sums err as much as they can
        x, W = x.abs() + 1, W.abs() + 1
    return x, W, b


def plain(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    return largest(torch.addmm(b, x, W), k)


cases = given(
    kind=st.sampled_from(KINDS),
    d=st.integers(1, 48),
    width=st.integers(2, 400),
    k=st.integers(1, 40),
    seed=st.integers(0, 9999),
)


@settings(deadline=None, max_examples=120)
@cases
def test_every_float32_value_lies_within_its_bounds(kind, d, width, k, seed):
    x, W, b = case(kind, 6, d, width, seed)
    k = min(k, width - 1)
    likely = FirstPass(W, b).likely(x, k)
    for h in (torch.addmm(b, x, W).double(), x.double() @ W.double() + b.double()):
        listed = h.gather(-1, likely.indices)
        assert (likely.lower <= listed).all() and (listed <= likely.upper).all()
        others = h.scatter(-1, likely.indices, -torch.inf).amax(-1)
        assert (others <= likely.outside).all()


@settings(deadline=None, max_examples=120)
@cases
def test_the_set_is_that_of_exact_numbers_wherever_the_gap_exceeds_the_bound(kind, d, width, k, seed):
    x, W, b = case(kind, 6, d, width, seed)
    k = min(k, width - 1)
    values, indices = FirstPass(W, b).largest(x, k, lambda rows: plain(rows, W, b, k))
    exact = x.double() @ W.double() + b.double()
    norms = x.double().norm(dim=-1, keepdim=True) * W.double().norm(dim=0) + b.double().abs()
    bound = FINE * (d + 2) * norms + 1e-44
    assert all(len(set(row)) == k for row in indices.tolist())
    assert ((values - exact.gather(-1, indices)).abs() <= bound.gather(-1, indices)).all()
    chosen = torch.zeros_like(exact, dtype=torch.bool).scatter(-1, indices, True)
    least = (
        (exact + bound).masked_fill(~chosen, torch.inf).amin(-1)
    )  # none left out lies clearly above one chosen
    assert ((exact - bound).masked_fill(chosen, -torch.inf).amax(-1) <= least).all()


def test_most_rows_need_no_full_product_and_the_others_are_counted():
    x, W, b = case("random", 64, 96, 4096, 3)
    asked: list[int] = []

    def full(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(len(rows))
        return plain(rows, W, b, 16)

    first = FirstPass(W, b)
    values, indices = first.largest(x, 16, full)
    expected, where = plain(x, W, b, 16)
    assert torch.equal(indices.sort().values, where.sort().values)
    torch.testing.assert_close(values.sort().values, expected.sort().values, rtol=1e-5, atol=1e-5)
    assert first.tally.rows == 64 and first.tally.fell_back == sum(asked)
    assert first.tally.share < 0.1


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 3e38, 0.0])
def test_rows_that_bounds_cannot_hold_are_those_of_the_full_product(value):
    x, W, b = case("random", 4, 8, 256, 5)
    x[1], x[2, 3], b = 0, value, b.round()  # a row of zeros has ties at its edge
    first = FirstPass(W, b)
    values, indices = first.largest(x, 8, lambda rows: plain(rows, W, b, 8))
    expected, where = plain(x, W, b, 8)
    assert torch.equal(values[[1, 2]].isnan().sum(-1), expected[[1, 2]].isnan().sum(-1))
    assert torch.equal(indices[1].sort().values, where[1].sort().values)
    if value != 0:
        assert torch.equal(indices[2].sort().values, where[2].sort().values)
    assert first.tally.fell_back >= 1 + (value != 0)


def test_equal_latents_go_to_the_lowest_index():
    x, W, b = case("many equal", 5, 16, 210, 1)
    _, indices = FirstPass(W, b).largest(x, 8, lambda rows: plain(rows, W, b, 8))
    assert torch.equal(indices.sort().values, plain(x, W, b, 8)[1].sort().values)


@pytest.mark.parametrize(
    "fields", [{}, {"postact": "identity"}, {"normalize_activations": "layer_norm"}], ids=str
)
def test_an_sae_gives_the_same_latents_either_way(make_sae, fields):
    x = torch.randn(3, 50, 16, generator=torch.Generator().manual_seed(4))
    sae = make_sae("topk", d_sae=1000, **fields)
    sae.first_pass = "never"
    plain = sae.encode_sparse(x)
    assert sae.tally.rows == 0
    sae.first_pass = "always"
    quick = sae.encode_sparse(x)
    assert quick.indices.shape == (3, 50, 5)
    assert torch.equal(quick.dense() != 0, plain.dense() != 0)
    torch.testing.assert_close(quick.dense(), plain.dense(), rtol=1e-5, atol=1e-5)
    assert sae.tally.rows == 150 and sae.tally.share < 0.5
    assert set(dict(sae.named_parameters())) == {"W_enc", "W_dec", "b_enc", "b_dec"}


def test_changed_weights_are_seen(make_sae, x):
    sae = make_sae("topk")
    sae.first_pass = "always"
    sae.encode_sparse(x)
    sae.W_enc.mul_(-1)
    quick = sae.encode_sparse(x)
    torch.testing.assert_close(quick.dense(), sae.encode(x), rtol=1e-5, atol=1e-5)


def test_gradients_half_precision_and_an_sae_of_k_latents_take_the_plain_way(make_sae, x):
    sae = make_sae("topk")
    sae.first_pass = "always"
    sae.encode_sparse(x.clone().requires_grad_()).values.sum().backward()
    for other in (make_sae("topk", k=128), make_sae("topk").bfloat16()):
        other.first_pass = "always"
        assert torch.equal(other.encode_sparse(x).dense(), other.encode(x))
        assert other.tally.rows == 0
    assert sae.tally.rows == 0


@pytest.mark.parametrize(("units", "faster"), [(False, True), (True, False), (True, True)])
def test_the_probe_decides_once_per_shape(make_sae, monkeypatch, units, faster):
    asked: list[str] = []
    monkeypatch.setattr(first_pass_probe, "_SEEN", {})
    monkeypatch.setattr(first_pass_probe, "_has_units", lambda d: asked.append("units") or units)
    monkeypatch.setattr(first_pass_probe, "_is_faster", lambda *a: asked.append("faster") or faster)
    x = torch.randn(80, 16, generator=torch.Generator().manual_seed(4))
    sae = make_sae("topk", d_sae=400)
    expected = sae.encode(x)
    for _ in range(2):
        torch.testing.assert_close(sae.encode_sparse(x).dense(), expected, rtol=1e-5, atol=1e-5)
    sae.encode_sparse(x[:8])  # too few to gain anything
    assert asked == (["units", "faster"] if units else ["units"])
    assert sae.tally.rows == (160 if units and faster else 0)


def test_the_real_probe_gives_an_answer(make_sae, monkeypatch):
    monkeypatch.setattr(first_pass_probe, "_SEEN", {})
    sae = make_sae("topk", d_sae=400)
    x = torch.randn(80, 16, generator=torch.Generator().manual_seed(4))
    sae.encode_sparse(x)
    assert list(first_pass_probe._SEEN) == [(16, 400, 5, torch.get_num_threads())]
    assert sae.tally.rows in {0, 80}  # what the probe itself has tried is not counted
