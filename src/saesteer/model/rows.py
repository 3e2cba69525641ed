"""Which request each row of a call belongs to. Knows no hook.

A plan knows how many requests it serves. A plain call's rows are shared out evenly in order, so beams and
num_return_sequences stay with their request; whoever reorders rows (a harness) names each row's request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from saesteer.errors import InputError


@dataclass(frozen=True)
class Rows:
    """What the caller knows about the rows of the calls inside."""

    index: Int[Tensor, " rows"]
    """Number of the caller's item that a row is of."""
    items: int | None
    """How many items the caller has, shared out among the plan's requests; None: `index` are the requests."""
    highest: int = 0
    """The highest request named, where `items` is None."""
    prompt: Int[Tensor, " rows"] | None = None
    """How much of a row's content is prompt, where the caller knows better than the cache."""


_ROWS: ContextVar[Rows | None] = ContextVar("saesteer_rows", default=None)


def current_rows() -> Rows | None:
    return _ROWS.get()


@contextmanager
def rows(known: Rows) -> Iterator[None]:
    """Calls inside have these rows (or a whole multiple of them, beams or samples, side by side)."""
    before = _ROWS.get()
    _ROWS.set(known)
    try:
        yield
    finally:
        _ROWS.set(before)


def explicit_rows(requests: Sequence[int], device: torch.device) -> Rows:
    """Rows whose requests are named one by one."""
    if not requests or min(requests) < 0:
        raise InputError(f"lm.rows(...) takes a request from 0 up for each row, got {list(requests)}")
    return Rows(torch.tensor(list(requests), dtype=torch.long, device=device), None, max(requests))


class Sharing:
    """Which request each row of a call belongs to: one tensor for as long as the same is asked.

    A step of generation asks the same as the step before, and whoever looks up something for each row may
    keep it for the very same tensor.
    """

    def __init__(self) -> None:
        self._last: dict[int | None, tuple[int, Rows | None, torch.device, Tensor]] = {}

    def of(
        self, batch: int, requests: int | None, known: Rows | None, device: torch.device
    ) -> Int[Tensor, " batch"]:
        """The request of each of `batch` rows; `requests`: how many the plan serves (None: one per item)."""
        last = self._last.get(requests)  # one look: another thread may replace it
        if last is not None and last[0] == batch and last[1] is known and last[2] == device:
            return last[3]
        with torch.inference_mode(False):  # a later call may want gradients, and autograd to keep it
            found = _requests_of(batch, requests, known, device)
        self._last[requests] = (batch, known, device, found)
        return found


def _requests_of(
    batch: int, requests: int | None, known: Rows | None, device: torch.device
) -> Int[Tensor, " batch"]:
    """The request of each of `batch` rows under a plan for `requests` requests (None: one for each item)."""
    if known is None:
        index, items = torch.arange(batch, device=device), batch
    else:
        index = spread(known.index, batch)
        if known.items is None:
            _check_named(known, requests)
            return index
        items = known.items
    if requests is None or requests == items:
        return index
    if items % requests:
        raise InputError(
            f"{items} rows cannot be shared out evenly among the {requests} requests of the steering; "
            "give a whole multiple, or name each row's request with lm.rows(...)"
        )
    return index // (items // requests)


def _check_named(known: Rows, requests: int | None) -> None:
    if requests is not None and known.highest >= requests:
        raise InputError(
            f"lm.rows(...) names request {known.highest} and the steering has {requests}; they count from 0"
        )


def spread(values: Int[Tensor, " rows"], batch: int) -> Int[Tensor, " batch"]:
    """Each value for as many rows side by side as the batch has of it."""
    known = len(values)
    if known == batch:
        return values
    if known == 0 or batch % known:
        raise InputError(f"lm.rows(...) names {known} rows and the call has {batch}; name each row's request")
    return values.repeat_interleave(batch // known)
