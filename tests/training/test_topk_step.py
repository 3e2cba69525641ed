"""The sparse gradients by hand against autograd over dense latents."""

from __future__ import annotations

import pytest
import torch

from saesteer.training.topk_step import TopKTensors, topk_step


def _tensors(d_sae: int, d_in: int, seed: int = 0) -> TopKTensors:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    return TopKTensors(normal(d_sae, d_in), normal(d_sae), normal(d_sae, d_in), normal(d_in))


def _naive(p: TopKTensors, x: torch.Tensor, k: int, dead: torch.Tensor, k_aux: int, coefficient: float):
    """The loss as the paper has it, dense, with autograd."""
    leaves = TopKTensors(**{name: each.clone().requires_grad_() for name, each in p.named().items()})
    h = (x - leaves.b_dec) @ leaves.encoder.T + leaves.b_enc

    def sparse(values: torch.Tensor, k: int) -> torch.Tensor:
        top = values.topk(k)
        return torch.zeros_like(values).scatter(1, top.indices, top.values.relu())

    def ratio(error: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return error.square().sum() / (target - target.mean(0)).square().sum()

    z = sparse(h, k)
    xhat = z @ leaves.decoder + leaves.b_dec
    fvu, aux = ratio(xhat - x, x), x.new_zeros(())
    if coefficient and dead.any():
        residual = (x - xhat).detach()
        told = sparse(h[:, dead], min(k_aux, int(dead.sum()))) @ leaves.decoder[dead]
        aux = ratio(told - residual, residual)
    (fvu + coefficient * aux).backward()
    return {name: each.grad for name, each in leaves.named().items()}, fvu, aux, z


@pytest.mark.parametrize("d_sae", [24, 128])  # the second takes the grouped selection
@pytest.mark.parametrize(("dead_share", "k_aux"), [(0.0, 3), (0.3, 3), (0.3, 99), (1.0, 3)])
def test_gradients(d_sae, dead_share, k_aux):
    p = _tensors(d_sae, 7)
    x = torch.randn(50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    dead = torch.rand(d_sae, generator=torch.Generator().manual_seed(2)) < dead_share
    step = topk_step(p, x, 4, dead, k_aux, 0.5)
    gradients, fvu, aux, z = _naive(p, x, 4, dead, k_aux, 0.5)
    for name, each in step.gradients.named().items():
        torch.testing.assert_close(each, gradients[name], msg=lambda m, name=name: f"{name}: {m}")
    torch.testing.assert_close(step.fvu, fvu.detach())
    torch.testing.assert_close(step.aux, aux.detach())
    assert bool(aux) == bool(dead.any())
    assert torch.equal(step.fired, (z > 0).any(0))
    assert float(step.l0) == pytest.approx(float((z > 0).sum(1).double().mean()))


def test_no_aux_without_a_coefficient():
    p = _tensors(16, 5)
    x = torch.randn(20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    every, nobody = torch.ones(16, dtype=torch.bool), torch.zeros(16, dtype=torch.bool)
    with_dead, without = topk_step(p, x, 3, every, 4, 0.0), topk_step(p, x, 3, nobody, 4, 0.0)
    for a, b in zip(with_dead.gradients.named().values(), without.gradients.named().values(), strict=True):
        assert torch.equal(a, b)
    assert float(with_dead.aux) == 0
