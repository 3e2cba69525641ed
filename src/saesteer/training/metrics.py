"""Where a training run stands, as a record."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainMetrics:
    """Where training stands; means over the tokens since the last record."""

    step: int
    tokens: int
    fvu: float
    """Fraction of variance unexplained, per batch; see evaluate.py."""
    aux: float
    """Fraction of the residual's variance that dead latents leave unexplained; 0 where none is dead."""
    l0: float
    dead: float
    """Fraction of latents silent for dead_after_tokens."""
    lr: float
    gradient_norm: float
    seconds: float
    """Time of training, over all processes that took part."""
    loss: float = math.nan
    """fvu and penalties at their full coefficients, without aux: comparable all along a run."""
    condition: float = 0.0
    """Cross-entropy of the conditioned latents, in nats, summed over concepts; 0 without a condition."""

    def tokens_per_second(self, before: TrainMetrics | None = None) -> float:
        """The pace since the record before, or since the beginning."""
        tokens, seconds = (before.tokens, before.seconds) if before else (0, 0.0)
        return (self.tokens - tokens) / max(self.seconds - seconds, 1e-9)
