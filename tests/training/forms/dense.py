"""Random tensors, and what all naive losses share: dense matrices and autograd in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch

from saesteer.training.forms.form import Form, Now, Step
from saesteer.training.tensors import Tensors


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensors(d_sae: int, d_in: int) -> Tensors:
    shapes = ((d_sae, d_in), (d_sae,), (d_sae, d_in), (d_in,))
    return Tensors(*(normal(*shape, seed=i) for i, shape in enumerate(shapes)))


def some(n: int, share: float, seed: int = 7) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed)) < share


def deviations(x: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    squares = (x - x.mean(0)).square()
    return squares.sum() if weights is None else (weights * squares).sum()


def check_gradients(
    form: Form, p: Tensors, x: torch.Tensor, now: Now, naive: Callable[[Tensors], torch.Tensor]
) -> Step:
    """The step's gradients are those of the naive loss."""
    leaves = type(p)(**{name: each.clone().requires_grad_() for name, each in p.named().items()})
    naive(leaves).backward()
    step = form.step(p, x, now)
    for name, each in step.gradients.named().items():
        expected = getattr(leaves, name).grad
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(each, expected, msg=lambda m, name=name: f"{name}: {m}")
    return step


class Jump(torch.autograd.Function):
    """H(h - threshold) with the straight-through gradient of arXiv 2407.14435, equation 12."""

    @staticmethod
    def forward(ctx, h, threshold, bandwidth):
        ctx.save_for_backward(h, threshold)
        ctx.bandwidth = bandwidth
        return (h > threshold).to(h.dtype)

    @staticmethod
    def backward(ctx, slope):
        h, threshold = ctx.saved_tensors
        near = ((h - threshold) / ctx.bandwidth).abs() < 0.5
        return None, -(near / ctx.bandwidth * slope).sum(0), None


class JumpReLU(torch.autograd.Function):
    """h H(h - threshold) with that of equation 11."""

    @staticmethod
    def forward(ctx, h, threshold, bandwidth):
        ctx.save_for_backward(h, threshold)
        ctx.bandwidth = bandwidth
        return h * (h > threshold)

    @staticmethod
    def backward(ctx, slope):
        h, threshold = ctx.saved_tensors
        near = ((h - threshold) / ctx.bandwidth).abs() < 0.5
        return (h > threshold) * slope, (-threshold / ctx.bandwidth * near * slope).sum(0), None
