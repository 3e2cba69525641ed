"""A shuffle buffer: activations in reading order come out in mixed batches. Knows tensors only.

A stream can be taken up anywhere without making again what came before: the buffer is first filled with mere
references, and when the first wanted batch is due, only the blocks that are still in it are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError


@dataclass(frozen=True, eq=False)
class Part:
    """Some tokens in reading order; `make` gives their tensors, by name, the same ones each time."""

    tokens: int
    make: Callable[[], Mapping[str, Tensor]]


def shuffled(
    blocks: Iterable[Float[Tensor, "n d"]], batch_tokens: int, buffer_tokens: int, seed: int
) -> Iterator[Float[Tensor, "batch_tokens d"]]:
    """Batches drawn from a buffer that is refilled when half empty; a last batch that is not full is dropped.

    The same blocks and seed give the same batches.
    """
    parts = (_part(block) for block in blocks)
    return (batch["x"] for batch in mixed(parts, batch_tokens, buffer_tokens, seed))


def mixed(
    parts: Iterable[Part], batch_tokens: int, buffer_tokens: int, seed: int, done: int = 0
) -> Iterator[dict[str, Tensor]]:
    """The same of several tensors together, without the first `done` batches."""
    if batch_tokens < 1 or buffer_tokens < 2 * batch_tokens:
        raise InputError(
            f"the buffer holds two batches or more, got batch_tokens {batch_tokens} "
            f"and buffer_tokens {buffer_tokens}; raise the latter"
        )
    draw = torch.Generator().manual_seed(seed)
    buffer = _Buffer(buffer_tokens)
    seen = 0
    number = count()

    def emit(order: Tensor) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(order) - batch_tokens + 1, batch_tokens):
            if next(number) >= done:
                yield buffer.take(order[start : start + batch_tokens])

    for part in parts:
        seen += part.tokens
        start = 0
        while start < part.tokens:
            start = buffer.add(part, start)
            if buffer.filled == buffer_tokens:
                order = torch.randperm(buffer_tokens, generator=draw)
                emitted = buffer_tokens // (2 * batch_tokens) * batch_tokens
                yield from emit(order[:emitted])
                buffer.keep(order[emitted:])
    if seen < batch_tokens:
        raise InputError(f"there are {seen} tokens but a batch has {batch_tokens}; give more or longer texts")
    yield from emit(torch.randperm(buffer.filled, generator=draw))


class _Buffer:
    """Tokens, known by their parts and places there until a batch is first taken, then by their tensors."""

    def __init__(self, size: int) -> None:
        self.filled = 0
        self._part: Int[Tensor, " size"] = torch.zeros(size, dtype=torch.int64)
        self._place: Int[Tensor, " size"] = torch.zeros(size, dtype=torch.int64)
        self._parts: dict[int, Part] = {}
        self._numbers = count()
        self._tensors: dict[str, Tensor] | None = None
        self._made: tuple[Part, Mapping[str, Tensor]] | None = None

    def add(self, part: Part, start: int) -> int:
        """Put the part's tokens from `start` on in, as far as there is room; where the rest begins."""
        end = min(part.tokens, start + len(self._part) - self.filled)
        room = slice(self.filled, self.filled + end - start)
        if self._tensors is None:
            number = next(self._numbers)
            self._parts[number] = part
            self._part[room], self._place[room] = number, torch.arange(start, end)
        else:
            if self._made is None or self._made[0] is not part:
                self._made = part, part.make()
            for name, each in self._made[1].items():
                self._tensors[name][room] = each[start:end]
            if end == part.tokens:
                self._made = None
        self.filled += end - start
        return end

    def take(self, places: Int[Tensor, " n"]) -> dict[str, Tensor]:
        """The tensors at these places."""
        if self._tensors is None:
            self._tensors = self._fill()
            self._parts = {}
        return {name: each[places.to(each.device)] for name, each in self._tensors.items()}

    def keep(self, places: Int[Tensor, " n"]) -> None:
        """Only these, from the front on."""
        self.filled = len(places)
        if self._tensors is not None:
            for each in self._tensors.values():
                each[: self.filled] = each[places.to(each.device)]
            return
        for refs in (self._part, self._place):
            refs[: self.filled] = refs[places]
        used = set(self._part[: self.filled].unique().tolist())
        self._parts = {number: part for number, part in self._parts.items() if number in used}

    def _fill(self) -> dict[str, Tensor]:
        """Make the parts that are in the buffer, one after the other."""
        tensors: dict[str, Tensor] = {}
        owner = self._part[: self.filled]
        for number, part in self._parts.items():
            here = (owner == number).nonzero().squeeze(1)
            if not len(here):
                continue
            for name, each in part.make().items():
                if name not in tensors:
                    tensors[name] = each.new_empty(len(self._part), *each.shape[1:])
                at = here.to(each.device)
                tensors[name][at] = each[self._place[here].to(each.device)]
        return tensors


def _part(block: Float[Tensor, "n d"]) -> Part:
    return Part(len(block), lambda: {"x": block})
