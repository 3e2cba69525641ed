"""A store of activations as a stream like any other: shuffled batches of several hookpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saesteer.errors import MissingHookpoint
from saesteer.latents.reading import SKIPPABLE
from saesteer.latents.shuffle import Part, mixed
from saesteer.latents.store import ActivationStore
from saesteer.latents.stream import LABELS, ActivationBatch
from saesteer.runs import digest


@dataclass(frozen=True, eq=False)
class StoredStream:
    """Iterate for batches; shards come in random order and their tokens are mixed in a buffer."""

    store: ActivationStore
    at: str | Sequence[str] = "*"
    """Hookpoints of the store, patterns among them; by default all."""
    batch_tokens: int = 2048
    buffer_tokens: int = 65_536
    seed: int = 0
    skip: Collection[str] = SKIPPABLE
    repeat: bool = False
    """Whether the shards are read again, in another order, when they end."""
    share: tuple[int, int] = (0, 1)
    """(i, n): this stream reads shards i, i + n, ..., where n processes share them."""
    hookpoints: tuple[str, ...] = field(init=False)
    """What `at` stands for."""

    def __post_init__(self) -> None:
        patterns = [self.at] if isinstance(self.at, str) else self.at
        found: dict[str, None] = {}
        for pattern in patterns:
            some = [each for each in self.store.hookpoints if fnmatchcase(each, pattern)]
            if not some:
                raise MissingHookpoint(
                    f"the store has {', '.join(self.store.hookpoints)}, got {pattern!r}; name one of these"
                )
            found |= dict.fromkeys(some)
        object.__setattr__(self, "hookpoints", tuple(found))

    def __iter__(self) -> Iterator[ActivationBatch]:
        return self.after(0)

    def after(self, done: int) -> Iterator[ActivationBatch]:
        """The batches that follow the first `done`; shards that are not in the buffer then are not read."""
        found = mixed(self._parts(), self.batch_tokens, self.buffer_tokens, self.seed, done)
        return (ActivationBatch.of(each) for each in found)

    def record(self) -> dict[str, Any]:
        """What makes the batches these and no others, hookpoints aside."""
        names = ("batch_tokens", "buffer_tokens", "seed", "repeat")
        known = {name: getattr(self, name) for name in names}
        return known | {"skip": sorted(self.skip), "store": digest(self.store.sha256)}

    def _parts(self) -> Iterator[Part]:
        draw = np.random.default_rng(self.seed)
        first, step = self.share
        kept = 0
        for _ in count() if self.repeat else range(1):
            order = draw.permutation(len(self.store))[first::step]
            for shard in order.tolist():
                keep = torch.from_numpy(self.store.places(shard).without(self.skip))
                kept += int(keep.sum())
                yield Part(int(keep.sum()), partial(self._read, shard, keep))
            if not kept:  # so that nothing is looked for without end
                return

    def _read(self, shard: int, keep: Tensor) -> dict[str, Tensor]:
        found = self.store.read(shard)
        tensors = {at: found.activations[at][keep] for at in self.hookpoints}
        return tensors if found.labels is None else tensors | {LABELS: found.labels[keep]}
