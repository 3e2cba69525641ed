"""Gates: whether a latent is active now, seen where its SAE reads and asked where an intervention acts.

A gate is itself an edit, one that changes nothing; it stands before the interventions and so sees what comes
to its hookpoint from below. It looks where interventions act by default, so not at BOS and special tokens, on
which SAEs have large latents that nothing trained. Knows SAEs and positions; no spec.
"""

from __future__ import annotations

import threading
from typing import Final, final

from jaxtyping import Bool, Float
from torch import Tensor

from saesteer.errors import BadSpec
from saesteer.model import Positions
from saesteer.saes import SAE
from saesteer.steering.where import Where

_LOOKED_AT: Final = Where()


class _Seen(threading.local):
    """What one thread saw last; two threads may share a steering."""

    at: Positions | None = None
    open: Tensor | None = None


@final
class Gate:
    """Open at tokens where `latent` is above `above`; with `sequence` at all later tokens of the row too."""

    def __init__(self, hookpoint: str, sae: SAE, latent: int, above: float, sequence: bool) -> None:
        self.hookpoint = hookpoint
        self._sae, self._latent, self._above, self._sequence = sae, latent, above, sequence
        self._seen = _Seen()

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        """Look at x and hand it on."""
        found = (self._sae.latent(x, [self._latent])[..., 0] > self._above) & _LOOKED_AT.select(at)
        if self._sequence:
            found = at.index >= at.earliest(found, self)[:, None]
        self._seen.at, self._seen.open = at, found
        return x

    def open(self, at: Positions) -> Bool[Tensor, "batch chunk"]:
        """Where, in the chunk that is being computed."""
        if self._seen.at is not at or self._seen.open is None:
            raise BadSpec(
                f"when.hookpoint: {self.hookpoint} is computed after the intervention that asks for it; "
                "give a hookpoint at or before the intervention's own"
            )
        return self._seen.open
