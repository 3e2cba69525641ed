"""Streams of activations of several hookpoints from one forward pass, shuffled together, labels beside them.

Knows documents and the model's door; no SAE. A stream can be taken up after any number of batches: what came
before is tokenized again, but only what was still in the shuffle buffer goes through the model again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from itertools import count, islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, SaesteerError
from saesteer.latents.hookpoints import matching
from saesteer.latents.labels import Labeller, Labels
from saesteer.latents.reading import SKIPPABLE, Microbatch, Reader, grouped
from saesteer.latents.shuffle import Part, mixed
from saesteer.model import LanguageModel
from saesteer.text import Document

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LABELS = "labels"  # beside the hookpoints, none of which is called so


@dataclass(frozen=True, eq=False)
class ActivationBatch:
    """The same tokens at several hookpoints."""

    activations: dict[str, Float[Tensor, "n d"]]
    labels: Float[Tensor, "n concepts"] | None = None
    """From 0 to 1, NaN where unknown."""

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> ActivationBatch:
        """From the tensors of a shuffle buffer."""
        return cls({name: each for name, each in tensors.items() if name != LABELS}, tensors.get(LABELS))


@dataclass(frozen=True, eq=False)
class ActivationStream:
    """Iterate for batches; each new iteration starts over, with the same batches for the same seed."""

    lm: LanguageModel
    documents: Iterable[Document | str]
    at: str | Sequence[str]
    """Hookpoints, patterns such as layers.* among them."""
    batch_tokens: int = 2048
    """Activations per batch."""
    buffer_tokens: int = 65_536
    """Activations that are held and mixed."""
    seed: int = 0
    skip: Collection[str] = SKIPPABLE
    """Which tokens are left out: "bos", "special"."""
    dtype: str = "float32"
    """Of the batches and the buffer: float32, bfloat16 or float16."""
    context: int | None = None
    """Tokens of the longest row; None: what the model takes, 1,024 at most."""
    forward_tokens: int = 4096
    """Tokens of a microbatch of the model."""
    labeller: Labeller | None = None
    """Labels for each document or its tokens; None: none."""
    repeat: bool = False
    """Whether the documents are read again when they end."""
    share: tuple[int, int] = (0, 1)
    """(i, n): this stream reads documents i, i + n, ..., where n processes share them."""
    hookpoints: tuple[str, ...] = field(init=False)
    """What `at` stands for."""

    def __post_init__(self) -> None:
        check_dtype(self.dtype)
        object.__setattr__(self, "hookpoints", matching(self.lm, self.at))
        if self.repeat and iter(self.documents) is self.documents:
            raise InputError(
                "documents can be read only once; give a list or a path, so that they can repeat"
            )
        self._reader()

    def __iter__(self) -> Iterator[ActivationBatch]:
        return self.after(0)

    def after(self, done: int) -> Iterator[ActivationBatch]:
        """The batches that follow the first `done`."""
        found = mixed(self._parts(), self.batch_tokens, self.buffer_tokens, self.seed, done)
        return (ActivationBatch.of(each) for each in found)

    def record(self) -> dict[str, Any]:
        """What makes the batches these and no others, hookpoints aside; documents as far as they say it."""
        names = ("batch_tokens", "buffer_tokens", "seed", "dtype", "context", "forward_tokens", "repeat")
        known = {name: getattr(self, name) for name in names}
        sources = {"documents": self.documents, "labeller": self.labeller}
        told = {name: repr(each) for name, each in sources.items() if is_dataclass(each)}
        return known | told | {"skip": sorted(self.skip), "arithmetic": self.lm.arithmetic}

    def _reader(self) -> Reader:
        return Reader.of(self.lm, self.hookpoints, self.context, self.forward_tokens)

    def _parts(self) -> Iterator[Part]:
        reader = self._reader()
        labels = Labels(self.labeller) if self.labeller is not None else None
        once: list[int] = []
        kept = 0
        documents = self._documents(once) if labels is None else labels.noting(self._documents(once))
        size = min(self.buffer_tokens, 8 * self.forward_tokens)  # rows of like length are found among so many
        for group in grouped(reader.rows(documents), size, whole_documents=False):
            for batch in reader.microbatches(group):
                part = self._part(batch, labels)
                kept += part.tokens
                yield part
            if once and group[-1].document[0] >= once[0] and not kept:
                raise InputError(
                    f"all {once[0]} documents hold no token but those that are left out "
                    f"({', '.join(sorted(self.skip))}); give other texts"
                )
            if labels is not None:
                labels.forget_before(group[-1].document[0])

    def _documents(self, once: list[int]) -> Iterator[Document | str]:
        """The documents of this share; `once` gets their number when they begin anew."""
        first, step = self.share
        for _ in count() if self.repeat else range(1):
            number = 0
            for each in islice(self.documents, first, None, step):
                number += 1
                yield each
            if not number:
                return
            once.append(number)

    def _part(self, batch: Microbatch, labels: Labels | None) -> Part:
        keep = torch.from_numpy(batch.places.without(self.skip))
        beside = torch.from_numpy(labels.of(batch.places))[keep] if labels is not None else None

        def make() -> dict[str, Tensor]:
            found = {at: as_dtype(x[keep.to(x.device)], self.dtype, at) for at, x in batch.read().items()}
            return found if beside is None else found | {LABELS: beside}

        return Part(int(keep.sum()), make)


def as_dtype(x: Float[Tensor, "n d"], dtype: str, at: str) -> Float[Tensor, "n d"]:
    """x in `dtype`; an error where it does not hold the numbers."""
    found = x.to(DTYPES[dtype])
    if dtype == "float16" and not bool(found.isfinite().all()):
        raise SaesteerError(
            f"activations at {at} reach {float(x.abs().max()):.3g}, beyond float16; use bfloat16"
        )
    return found


def check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise InputError(f"dtype is one of {', '.join(DTYPES)}, got {dtype!r}")
