"""The next token of each row from its logits and one draw, which depends on nothing else in the batch.

A draw is a hash of (seed, request, sample, step): the same row gets the same luck in any batch and any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from saesteer.errors import InputError

_COLDEST = 1e-30  # logits over less may be beyond float32
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sampling:
    """How to choose a token; temperature 0 takes the likeliest."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"temperature is a number from 0 up, got {self.temperature}")
        if 0 < self.temperature < _COLDEST:
            raise InputError(
                f"temperature is 0 or at least {_COLDEST:g}, got {self.temperature}, over which logits are "
                "infinite; give 0 for the likeliest token"
            )
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k is at least 1, got {self.top_k}; leave it out for all tokens")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p is above 0 and at most 1, got {self.top_p}")


def draws(
    seed: int, request: NDArray[np.int64], sample: NDArray[np.int64], steps: int
) -> Float[Tensor, "rows steps"]:
    """Uniform numbers in [0, 1) by counter: SplitMix64 over the four coordinates (Steele et al. 2014)."""
    state = _mix(np.full(1, seed & (2**64 - 1), dtype=np.uint64))
    state = _mix(state ^ request.astype(np.uint64))
    state = _mix(state ^ sample.astype(np.uint64))
    state = _mix(state[:, None] ^ np.arange(steps, dtype=np.uint64))
    return torch.from_numpy((state >> np.uint64(41)).astype(np.float32) * np.float32(2**-23))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def choose(
    logits: Float[Tensor, "rows vocab"], draw: Float[Tensor, " rows"], how: Sampling
) -> tuple[Int[Tensor, " rows"], Bool[Tensor, " rows"]]:
    """The token at which the cumulated probability passes the row's draw, and whether the row is broken.

    Broken: a logit is NaN or +inf, or all are -inf, so that there is no distribution; the token is then any.
    """
    if how.temperature == 0:
        highest, likeliest = logits.max(-1)  # NaN is above all others, and of equals the first is taken
        return likeliest, ~highest.isfinite()
    logits = logits.float() / how.temperature
    order = None
    if how.top_k is not None and how.top_k < logits.shape[-1]:
        logits, order = logits.topk(how.top_k, dim=-1)
    elif how.top_p is not None and how.top_p < 1:
        logits, order = logits.sort(dim=-1, descending=True)
    cumulated = logits.softmax(-1).cumsum(-1)
    total = mass = cumulated[:, -1:]
    if how.top_p is not None and how.top_p < 1:  # the smallest set of likeliest tokens with this mass, or all
        place = torch.searchsorted(cumulated, mass * how.top_p).clamp(max=cumulated.shape[-1] - 1)
        mass = cumulated.gather(-1, place)
    place = torch.searchsorted(cumulated, mass * draw[:, None], right=True)
    place = place.clamp(max=cumulated.shape[-1] - 1)
    place = place if order is None else order.gather(-1, place)
    return place.squeeze(-1), total.squeeze(-1).isnan()  # a sum of the whole, so of every logit
