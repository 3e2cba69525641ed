"""A shuffle buffer: activations in reading order come out in mixed batches. Knows tensors only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError


def shuffled(
    blocks: Iterable[Float[Tensor, "n d"]], batch_tokens: int, buffer_tokens: int, seed: int
) -> Iterator[Float[Tensor, "batch_tokens d"]]:
    """Batches drawn from a buffer that is refilled when half empty; a last batch that is not full is dropped.

    The same blocks and seed give the same batches.
    """
    if batch_tokens < 1 or buffer_tokens < 2 * batch_tokens:
        raise InputError(
            f"the buffer holds two batches or more, got batch_tokens {batch_tokens} "
            f"and buffer_tokens {buffer_tokens}; raise the latter"
        )
    draw = torch.Generator().manual_seed(seed)
    buffer: Tensor | None = None
    filled = seen = 0
    for block in blocks:
        seen += len(block)
        while len(block):
            if buffer is None:
                buffer = block.new_empty(buffer_tokens, block.shape[1])
            taken = block[: buffer_tokens - filled]
            buffer[filled : filled + len(taken)] = taken
            filled, block = filled + len(taken), block[len(taken) :]
            if filled == buffer_tokens:
                order = torch.randperm(filled, generator=draw)
                emitted = buffer_tokens // (2 * batch_tokens) * batch_tokens
                yield from _batches(buffer, order[:emitted], batch_tokens)
                filled -= emitted
                buffer[:filled] = buffer[order[emitted:]]
    if seen < batch_tokens:
        raise InputError(f"there are {seen} tokens but a batch has {batch_tokens}; give more or longer texts")
    if buffer is not None:
        yield from _batches(buffer, torch.randperm(filled, generator=draw), batch_tokens)


def _batches(buffer: Float[Tensor, "n d"], order: Tensor, size: int) -> Iterator[Float[Tensor, "size d"]]:
    for start in range(0, len(order) - size + 1, size):
        yield buffer[order[start : start + size]]
