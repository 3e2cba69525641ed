"""Transcoders (Dunefsky et al. 2024) and skip-transcoders (Paulo et al. 2025): what their names mean.

A transcoder reads the input of a module and writes what the module puts out, so z is encoded in one space and
decoded in another. How latents are chosen is a matter of its own: an architecture here names the one whose
tensors and activation it shares, and the SAE's class does the rest. A transcoder of another activation is a
line in TRANSCODERS and one in ARCHITECTURES. Knows names; no tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Transcodes:
    """What a transcoder's architecture says."""

    activation: str
    """The architecture of an SAE with the same activation."""
    skip: bool = False
    """Whether W_skip [d_out, d_in] takes x straight to the output."""


TRANSCODERS: Final[dict[str, Transcodes]] = {
    "transcoder": Transcodes("standard"),
    "skip_transcoder": Transcodes("standard", skip=True),
    "topk_transcoder": Transcodes("topk"),  # sparsify; sae_lens has no name for these two
    "topk_skip_transcoder": Transcodes("topk", skip=True),
    "jumprelu_transcoder": Transcodes("jumprelu"),
    "jumprelu_skip_transcoder": Transcodes("jumprelu", skip=True),
}
"""Architecture -> what it means. The names are those of sae_lens where it has one."""


def transcoder_of(activation: str, skip: bool) -> str:
    """The architecture of the transcoder with this activation."""
    return next(name for name, each in TRANSCODERS.items() if each == Transcodes(activation, skip))
