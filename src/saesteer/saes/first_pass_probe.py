"""Whether a cheaper first product pays on this machine: timed once per process and shape, never assumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.saes.first_pass import LIST, FirstPass, Plain, Tally

ROWS: Final = 64  # tokens, below which nothing is gained that would show
FALLEN: Final = 0.25  # share of rows that may need the full product after all
_GAIN: Final = 0.9  # of the plain way's time, that a first pass may take
_SEEN: Final[dict[tuple[int, ...], bool]] = {}


def pays(
    x: Float[Tensor, "n d_in"], first: Callable[[], FirstPass], bias: Tensor, k: int, plain: Plain
) -> bool:
    """Whether `first` chooses the k largest of these tokens in clearly less time than `plain`.

    A small product in bfloat16 goes ahead: without units for it (most processors) it takes a hundred times
    as long as in float32, and the question is settled within some 30 ms and without memory.
    """
    d, width = x.shape[1], len(bias)
    if len(x) < ROWS or 4 * LIST * k > width:
        return False
    shape = (d, width, k, torch.get_num_threads())
    if shape not in _SEEN:
        _SEEN[shape] = _has_units(d) and _is_faster(x[:512], first(), k, plain)
    return _SEEN[shape]


def _has_units(d: int) -> bool:
    x, W = torch.ones(16, d), torch.ones(d, 256)
    low_x, low_W = x.bfloat16(), W.bfloat16()
    return _seconds(lambda: low_x @ low_W) < _seconds(lambda: x @ W)


def _is_faster(x: Tensor, first: FirstPass, k: int, plain: Plain) -> bool:
    seconds = _seconds(lambda: first.largest(x, k, plain))
    share, first.tally = first.tally.share, Tally()
    return share <= FALLEN and seconds < _GAIN * _seconds(lambda: plain(x))


def _seconds(work: Callable[[], Any]) -> float:
    """The better of two, after one to warm up."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])
