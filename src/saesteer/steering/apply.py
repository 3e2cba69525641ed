"""Apply specs to a model: compile them into edits, one set for a batch in which every row may differ.

Knows models, specs and rows. A strength that differs between rows, and a spec that does, cost one table with
a line per request: a sweep of sixteen strengths is one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from saesteer.errors import BadSpec
from saesteer.model import Edit, LanguageModel
from saesteer.saes import SAE
from saesteer.steering.changes import added, change
from saesteer.steering.control import Controller
from saesteer.steering.edits import AddEdit, OperationEdit, Place, RowTable
from saesteer.steering.fields import bad, finite
from saesteer.steering.gates import Gate
from saesteer.steering.heads import HeadEdit
from saesteer.steering.prepare import Ready, prepare
from saesteer.steering.spec import SteeringSpec

Line = dict[int, tuple[Ready, float]]
"""Request -> what is done to it in one step, and how much."""


@contextmanager
def steer(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec | None] | None,
    strengths: Sequence[float] | None = None,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> Iterator[None]:
    """Inside, `lm` is steered: every row by one spec, or each request by its own (None: not at all).

    `strengths`: one per request, in place of the spec's own and in its unit; 0 is off. `saes`: SAEs by their
    names in the specs, where they are not to be loaded from their source. `force`: also where a spec was made
    for another model or with another SAE, or an SAE trained at another hookpoint.
    """
    edits, requests = compile_edits(lm, spec, strengths, saes, force)
    with lm.intervening(edits, requests):
        yield


def compile_edits(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec | None] | None,
    strengths: Sequence[float] | None = None,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> tuple[list[Edit], int | None]:
    """The edits, first those that only look; and how many requests they tell apart (None: all alike)."""
    specs, values, shared = _per_request(spec, strengths)
    different = {id(each): each for each in specs if each is not None}
    loaded: dict[str, SAE] = {}
    ready = {key: prepare(lm, each, saes, force, loaded) for key, each in different.items()}
    plans = [[] if each is None else ready[id(each)] for each in specs]
    compiler = _Compiler(lm, len(specs), shared)
    # Row by row the order of its own spec holds; rows are disjoint, so within one step the order is free.
    for step in range(max(map(len, plans), default=0)):
        lines = {i: plan[step] for i, plan in enumerate(plans) if step < len(plan)}
        compiler.add({i: (each, each.amount(values[i])) for i, each in lines.items()})
    return [
        *compiler.gates.values(),
        *compiler.controllers.values(),
        *compiler.edits,
    ], None if shared else len(specs)


class _Compiler:
    """Collects the edits of a batch."""

    def __init__(self, lm: LanguageModel, requests: int, shared: bool) -> None:
        self.gates: dict[tuple[object, ...], Gate] = {}
        self.controllers: dict[tuple[object, ...], Controller] = {}
        self.edits: list[Edit] = []
        self._lm, self._requests, self._shared = lm, requests, shared

    def add(self, step: Line) -> None:
        """One intervention of each request; like ones become one edit."""
        groups: dict[tuple[object, ...], Line] = {}
        for request, (each, amount) in step.items():
            if amount != 0:
                vector = added(each)
                summed: tuple[object, ...] = ("sum", *each.place)
                key = summed if vector is not None else each.key
                groups.setdefault(key, {})[request] = (each, amount)
        for group in groups.values():
            first, _ = next(iter(group.values()))
            place = Place(first.hookpoint, first.where, self._gate(first), self._controller(first))
            edit: Edit = (
                self._sum(place, group) if added(first) is not None else self._operation(place, first, group)
            )
            if first.head is not None and first.d_head is not None:
                edit = HeadEdit(edit, first.head, first.d_head)
            self.edits.append(edit)

    def _sum(self, place: Place, group: Line) -> Edit:
        first, _ = next(iter(group.values()))
        width = first.d_head or self._lm.width(place.hookpoint)
        table = torch.zeros(self._requests, width, device=self._lm.device)
        for request, (each, amount) in group.items():
            vector = added(each)
            assert vector is not None
            table[request] = amount * vector
            if not bool(table[request].to(self._lm.dtype).isfinite().all()):
                problem = f"{amount:g} times the tensor is beyond the model's {self._lm.dtype}; lower it"
                raise bad(f"{each.path}.strength.value", problem)
        return AddEdit(place, self._table(table, group))

    def _operation(self, place: Place, first: Ready, group: Line) -> Edit:
        amounts = torch.zeros(self._requests, 1)
        for request, (_, amount) in group.items():
            amounts[request] = amount
        return OperationEdit(place, self._table(amounts, group), change(first))

    def _table(self, values: Tensor, group: Line) -> RowTable:
        return RowTable(values.cpu(), [request in group for request in range(self._requests)], self._shared)

    def _gate(self, each: Ready) -> Gate | None:
        """One for all interventions that it opens for."""
        return None if each.gate is None else self.gates.setdefault(each.gate_key, each.gate)

    def _controller(self, each: Ready) -> Controller | None:
        """One for all interventions of which it says how much."""
        if each.controller is None:
            return None
        return self.controllers.setdefault(each.control_key, each.controller)


def _per_request(
    spec: SteeringSpec | Sequence[SteeringSpec | None] | None, strengths: Sequence[float] | None
) -> tuple[list[SteeringSpec | None], list[float | None], bool]:
    """Specs and strengths (None: the spec's own), one per request, or one for all."""
    values = None if strengths is None else _checked(strengths)
    if spec is None or isinstance(spec, SteeringSpec):
        specs = [spec] * (1 if values is None else len(values))
        return specs, [None] if values is None else [*values], values is None
    specs = list(spec)
    for number, each in enumerate(specs):
        if each is not None and not isinstance(each, SteeringSpec):
            raise BadSpec(f"specs[{number}]: must be a SteeringSpec or None, got {type(each).__name__}")
    if not specs:
        raise BadSpec("specs: must hold one per request, got none")
    if values is not None and len(values) != len(specs):
        raise BadSpec(f"strengths: must be one per request, got {len(values)} for {len(specs)} specs")
    return specs, [None] * len(specs) if values is None else [*values], False


def _checked(strengths: Sequence[float]) -> list[float]:
    if isinstance(strengths, int | float | str):
        raise BadSpec(
            f"strengths: must be a list, one per request, got {strengths!r}; use spec.with_strength for one"
        )
    found = [finite(f"strengths[{number}]", _plain(each)) for number, each in enumerate(strengths)]
    if not found:
        raise BadSpec("strengths: must hold one per request, got none")
    return found


def _plain(given: object) -> object:
    """The number that a tensor or an array of one holds."""
    return given.item() if getattr(given, "ndim", None) == 0 else given  # type: ignore[attr-defined]
