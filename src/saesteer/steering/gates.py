"""Gates: whether a latent is active now, seen where its SAE reads and asked where an intervention acts.

A gate is itself an edit, one that changes nothing; it stands before the interventions and so sees what comes
to its hookpoint from below. Knows SAEs and positions; no spec.
"""

from __future__ import annotations

import threading
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from saesteer.errors import BadSpec
from saesteer.model import Positions
from saesteer.saes import SAE


class _Seen(threading.local):
    """What one thread saw last; two threads may share a steering."""

    at: Positions | None = None
    open: Tensor | None = None
    fired: Tensor | None = None


@final
class Gate:
    """Open at tokens where `latent` is above `above`; with `sequence` at all later tokens of the row too."""

    def __init__(self, hookpoint: str, sae: SAE, latent: int, above: float, sequence: bool) -> None:
        self.hookpoint = hookpoint
        self._sae, self._latent, self._above, self._sequence = sae, latent, above, sequence
        self._seen = _Seen()

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        """Look at x and hand it on."""
        active = (self._sae.latent(x, [self._latent])[..., 0] > self._above) & at.mask
        seen = self._seen
        if self._sequence:
            active = (active.cumsum(-1) > 0) | self._fired_before(at)[:, None]
            seen.fired = active[:, -1]
        seen.at, seen.open = at, active
        return x

    def open(self, at: Positions) -> Bool[Tensor, "batch chunk"]:
        """Where, in the chunk that is being computed."""
        if self._seen.at is not at or self._seen.open is None:
            raise BadSpec(
                f"when.hookpoint: {self.hookpoint} is computed after the intervention that asks for it; "
                "give a hookpoint at or before the intervention's own"
            )
        return self._seen.open

    def _fired_before(self, at: Positions) -> Bool[Tensor, " batch"]:
        """Which rows fired in earlier chunks; a row that begins has no past."""
        past, fired = self._seen.at, self._seen.fired
        begins = ((at.index == 0) & at.mask).any(-1)
        if past is None or fired is None or bool(begins.all()):
            return torch.zeros_like(begins)
        if len(fired) != len(begins):  # a prompt that was computed once goes on as several samples
            same = at.request[:, None] == past.request[None, :]
            fired = (same & fired[None, :]).any(-1)
        return fired & ~begins
