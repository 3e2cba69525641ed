"""Processes that share every batch (data-parallel), through torch's own launcher; one alone by default.

    torchrun --nproc-per-node 2 --no-python saesteer train ...

Each reads documents of its own and computes gradients of its own tokens; sums over all of them make the same
step everywhere. Losses are divided by sums over all tokens, so the step is that of one process with all of
them; but BatchTopK and Matryoshka choose the n k largest of each process's own n tokens.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from saesteer.training.forms.form import deviation


@dataclass(frozen=True)
class Workers:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes the files."""
        return self.rank == 0

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each by its sum over all processes."""
        if self.size > 1:
            for each in tensors:
                dist.all_reduce(each)

    def any(self, mask: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """True where it is in any process."""
        if self.size == 1:
            return mask
        counts = mask.to(torch.uint8)
        dist.all_reduce(counts, op=dist.ReduceOp.MAX)
        return counts.bool()

    def whole(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
        """The rows of all processes, one after the other."""
        if self.size == 1:
            return x
        parts = [torch.empty_like(x) for _ in range(self.size)]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Replace each by that of the first process."""
        if self.size > 1:
            for each in tensors:
                dist.broadcast(each, 0)

    def deviation(
        self, target: Float[Tensor, "n d"], weights: Float[Tensor, "n 1"] | None
    ) -> Float[Tensor, ""]:
        """Sum of squared deviations from the mean, over all processes."""
        if self.size == 1:
            return deviation(target, weights)
        mean = target.sum(0) / (len(target) * self.size)
        dist.all_reduce(mean)
        squares = (target - mean).square()
        total = squares.sum() if weights is None else (squares * weights).sum()
        dist.all_reduce(total)
        return total


ALONE = Workers()


def rank() -> int:
    """Which of the launched processes this is; 0 for one alone."""
    return int(os.environ.get("RANK", "0"))


def device_of(device: str) -> str:
    """The one of several graphics cards that is this process's; "cuda" alone means all of them."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and rank_count() > 1 else device


def rank_count() -> int:
    """How many processes were launched."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def launched(device: str = "cpu") -> Iterator[Workers]:
    """The processes that torchrun started; this one alone where it was started in another way."""
    if rank_count() == 1:
        yield ALONE
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device_of(device))
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Workers(dist.get_rank(), rank_count())
    finally:
        dist.destroy_process_group()
