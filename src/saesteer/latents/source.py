"""ActivationSource: a stream of documents as shuffled batches of one hookpoint's activations. Knows no SAE.

Several hookpoints, labels, resuming: stream.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from saesteer.latents.reading import SKIPPABLE
from saesteer.latents.stream import ActivationStream
from saesteer.model import LanguageModel
from saesteer.text import Document


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
        self._stream()

    @property
    def width(self) -> int:
        """Width of an activation."""
        return self.lm.width(self.lm.hookpoint(self.at))

    def __iter__(self) -> Iterator[Float[Tensor, "batch_tokens d"]]:
        return self.after(0)

    def after(self, done: int) -> Iterator[Float[Tensor, "batch_tokens d"]]:
        """The batches that follow the first `done`, which are not made again."""
        stream = self._stream()
        return (batch.activations[stream.hookpoints[0]] for batch in stream.after(done))

    def _stream(self) -> ActivationStream:
        return ActivationStream(
            self.lm,
            self.documents,
            [self.lm.hookpoint(self.at)],
            self.batch_tokens,
            self.buffer_tokens,
            self.seed,
            self.skip,
            self.dtype,
            self.context,
            self.forward_tokens,
        )
