"""Edits that a model's hooks call: where each acts and how much of it each row gets. Knows no spec.

Rows are told apart by their request. A row that is off, and every position that is not chosen, keeps its
bits: they are taken from x by torch.where, never by adding zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.model import Positions
from saesteer.steering.control import Controller
from saesteer.steering.gates import Gate
from saesteer.steering.where import Where


@dataclass(frozen=True)
class Place:
    """Where an edit acts."""

    hookpoint: str
    where: Where
    gate: Gate | None = None
    controller: Controller | None = None

    def select(self, at: Positions, on: Bool[Tensor, "#batch 1"] | None) -> Bool[Tensor, "batch chunk"]:
        """The positions of rows that are `on` (None: all)."""
        chosen = self.where.select(at)
        if on is not None:
            chosen = chosen & on
        if self.controller is not None:
            chosen = chosen & (self.controller.share(at) != 0)
        return chosen if self.gate is None else chosen & self.gate.open(at)

    def controlled(self, strengths: Float[Tensor, "#batch 1 n"], at: Positions) -> Tensor:
        """Strengths, or vectors times them, of each token where it has a share of its own."""
        if self.controller is None:
            return strengths
        return strengths * self.controller.share(at).unsqueeze(-1)


@dataclass(frozen=True, eq=False)
class _Rows:
    """One line of a table for each row of a batch."""

    request: Int[Tensor, " batch"]
    dtype: torch.dtype
    values: Float[Tensor, "#batch 1 n"]
    on: Bool[Tensor, "#batch 1"] | None
    """None: every row."""
    any_on: bool


class RowTable:
    """A line of numbers per request, or one line for all; handed out by the rows of a batch."""

    def __init__(self, values: Float[Tensor, "requests n"], on: Sequence[bool], shared: bool) -> None:
        """`on`: which requests are steered at all; `shared`: the one line is everybody's."""
        self._values, self._on, self._shared = values, torch.tensor(list(on)), shared
        self._last: _Rows | None = None

    def rows(self, at: Positions, dtype: torch.dtype) -> _Rows:
        """The lines of this chunk's rows; a generation asks with the same requests step after step."""
        last = self._last  # one look: another thread may replace it
        if last is not None and last.dtype == dtype and last.request is at.request:
            return last
        with torch.inference_mode(False):  # a later call may want gradients, and autograd to keep them
            self._last = found = self._gather(at.request, dtype)
        return found

    def _gather(self, request: Int[Tensor, " batch"], dtype: torch.dtype) -> _Rows:
        device = request.device
        if self._shared:
            values = self._values[0].to(device=device, dtype=dtype).expand(1, 1, -1)
            return _Rows(request, dtype, values, None, bool(self._on[0]))
        chosen = request.cpu()
        on = self._on[chosen]
        values = self._values[chosen].to(device=device, dtype=dtype).unsqueeze(1)
        return _Rows(
            request, dtype, values, None if bool(on.all()) else on.to(device)[:, None], bool(on.any())
        )


@final
class AddEdit:
    """x plus one vector per row: all that a step of generation computes is a mask, a sum and a choice."""

    def __init__(self, place: Place, vectors: RowTable) -> None:
        self.hookpoint = place.hookpoint
        self._place, self._vectors = place, vectors

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        rows = self._vectors.rows(at, x.dtype if self._place.controller is None else torch.float32)
        if not rows.any_on:
            return x
        chosen = self._place.select(at, rows.on)
        vectors = self._place.controlled(rows.values, at).to(x.dtype)
        return torch.where(chosen.unsqueeze(-1), x + vectors, x)


@final
class OperationEdit:
    """Any op, with one strength per row."""

    def __init__(self, place: Place, strengths: RowTable, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        """`change`: from x and strengths, [batch, 1, 1] or one per token [batch, seq, 1], to the new x."""
        self.hookpoint = place.hookpoint
        self._place, self._strengths, self._change = place, strengths, change

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        rows = self._strengths.rows(at, torch.float32)
        if not rows.any_on:
            return x
        chosen = self._place.select(at, rows.on)
        if not bool(chosen.any()):  # an SAE costs more than this look
            return x
        strengths = self._place.controlled(rows.values, at)
        return torch.where(chosen.unsqueeze(-1), self._change(x, strengths), x)
