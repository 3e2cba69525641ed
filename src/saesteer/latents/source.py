"""ActivationSource: a stream of documents as shuffled batches of activations. Knows no SAE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, SaesteerError
from saesteer.latents.reading import SKIPPABLE, Block, Reader, grouped
from saesteer.latents.shuffle import shuffled
from saesteer.model import LanguageModel
from saesteer.text import Document

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, eq=False)
class ActivationSource:
    """Iterate for batches; each new iteration starts over, with the same batches for the same seed."""

    lm: LanguageModel
    documents: Iterable[Document | str]
    at: str
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

    def __post_init__(self) -> None:
        check_dtype(self.dtype)
        Reader.of(self.lm, self.at, self.context, self.forward_tokens)

    @property
    def width(self) -> int:
        """Width of an activation."""
        return self.lm.width(self.lm.hookpoint(self.at))

    def __iter__(self) -> Iterator[Float[Tensor, "batch_tokens d"]]:
        return shuffled(self._blocks(), self.batch_tokens, self.buffer_tokens, self.seed)

    def _blocks(self) -> Iterator[Float[Tensor, "n d"]]:
        reader = Reader.of(self.lm, self.at, self.context, self.forward_tokens)
        size = min(self.buffer_tokens, 8 * self.forward_tokens)  # rows of like length are found among so many
        for group in grouped(reader.rows(self.documents), size, whole_documents=False):
            for block in reader.blocks(group):
                yield kept(block, reader.at[0], self.skip, self.dtype)


def kept(block: Block, at: str, skip: Collection[str], dtype: str) -> Float[Tensor, "n d"]:
    """The activations of the tokens that are not skipped, in `dtype`."""
    x = block.activations[at]
    keep = torch.from_numpy(block.places.without(skip)).to(x.device)
    return as_dtype(x[keep], dtype, at)


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
