"""The only hooks of the project: record and replace activations while a plan is active, in its context alone.

The model is never changed. A hook stands at a site as long as any plan needs the site (counted), and looks up
the plans of its own context, so a thread without a plan computes the plain model through it. A hook on the
model itself notes each call's inputs, from which positions follow when an edit needs them.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from saesteer.errors import InputError, ShapeMismatch
from saesteer.model.addresses import AddressBook
from saesteer.model.chunks import Chunk, Reader
from saesteer.model.positions import Positions, SpecialTokens
from saesteer.model.sites import Site, read_input, read_output, write_input, write_output


class Edit(Protocol):
    """One change at one hookpoint: a new tensor, or `x` itself where nothing changes; never in place.

    One with an attribute `variants = True` may make many rows of one; what is computed above is then theirs.
    That holds in a call of a single row without padding, at sites that are not shared, without edits above.
    """

    @property
    def hookpoint(self) -> str: ...

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]: ...


class AllRecorded(Exception):
    """Every activation asked for is there: the rest of the model need not run."""


@dataclass
class Recorder:
    """What has been seen of the sites that are wanted."""

    wanted: frozenset[Site]
    taken: dict[Site, Tensor] = field(default_factory=dict)

    def take(self, site: Site, x: Tensor) -> None:
        """Keep `x` if it is wanted and new; AllRecorded with the last one."""
        if site in self.wanted and site not in self.taken:
            self.taken[site] = x.detach()
            if len(self.taken) == len(self.wanted):
                raise AllRecorded


@dataclass(eq=False)
class Plan:
    """What one `with` block does to one model."""

    board: HookBoard
    edits: dict[Site, tuple[Edit, ...]]
    requests: int | None = None
    recorder: Recorder | None = None
    active: bool = True  # a context that was copied inside the block may outlive it

    def sites(self) -> list[Site | None]:
        """Where it needs hooks; None is the model itself, whose inputs only edits ask for."""
        wanted = self.recorder.wanted if self.recorder else frozenset()
        return [*([None] if self.edits else []), *{*self.edits, *wanted}]


_PLANS: ContextVar[tuple[Plan, ...]] = ContextVar("saesteer_plans", default=())
_CHUNKS: ContextVar[tuple[Chunk, ...]] = ContextVar("saesteer_chunks", default=())


class HookBoard:
    """The hooks of one model."""

    def __init__(self, hf: Any, book: AddressBook, special: SpecialTokens) -> None:
        # The base model too: it may be called by itself, as the top may pass it by (OPT).
        self._tops: dict[nn.Module, list[str]] = {
            top: list(inspect.signature(top.forward).parameters) for top in (hf, hf.base_model)
        }
        self._top = hf
        self._book = book
        self._reader = Reader(special)
        self._lock = threading.Lock()
        self._counts: dict[Site | None, int] = {}
        self._handles: dict[Site | None, list[RemovableHandle]] = {}

    @contextmanager
    def plan(
        self,
        edits: Sequence[tuple[Site, Edit]] = (),
        requests: int | None = None,
        recorder: Recorder | None = None,
    ) -> Iterator[None]:
        """Inside, this context's calls of the model are edited, after any outer plan, and recorded."""
        by_site: dict[Site, tuple[Edit, ...]] = {}
        for site, edit in edits:
            by_site[site] = (*by_site.get(site, ()), edit)
        plan = Plan(self, by_site, requests, recorder)
        for wanted in plan.sites():
            if wanted is not None:
                self._book.check_called(wanted)
        chunks = _CHUNKS.get()
        self._hold(plan.sites())
        _PLANS.set((*_PLANS.get(), plan))
        try:
            yield
        finally:
            plan.active = False
            _PLANS.set(tuple(each for each in _PLANS.get() if each is not plan))
            _CHUNKS.set(chunks)  # a call that Ctrl-C broke off has left its own
            self._release(plan.sites())

    def steered(self) -> bool:
        """Whether a plan of this context edits this model."""
        return any(plan.edits for plan in self._plans())

    def installed(self) -> int:
        """How many sites have hooks now."""
        return len(self._handles)

    def _plans(self) -> list[Plan]:
        return [plan for plan in _PLANS.get() if plan.board is self and plan.active]

    def _hold(self, sites: Sequence[Site | None]) -> None:
        with self._lock:
            for site in sites:
                self._counts[site] = self._counts.get(site, 0) + 1
                if site not in self._handles:
                    self._handles[site] = self._install(site)

    def _release(self, sites: Sequence[Site | None]) -> None:
        with self._lock:
            for site in sites:
                self._counts[site] -= 1
                if not self._counts[site]:
                    del self._counts[site]
                    for handle in self._handles.pop(site):
                        handle.remove()

    def _install(self, site: Site | None) -> list[RemovableHandle]:
        if site is None:
            entering = [top.register_forward_pre_hook(self._enter, with_kwargs=True) for top in self._tops]
            leaving = [top.register_forward_hook(self._leave, always_call=True) for top in self._tops]
            return entering + leaving
        module = self._book.module(site)
        if site.side == "out":
            return [module.register_forward_hook(self._out_hook(site))]
        # A shared tensor is written before another site replaces the module's own reference to it.
        return [module.register_forward_pre_hook(self._in_hook(site), prepend=site.shared, with_kwargs=True)]

    def _chunk(self) -> Chunk | None:
        """The innermost call of this model that is in progress; calls of others may stand inside it."""
        return next((each for each in reversed(_CHUNKS.get()) if each.owner is self), None)

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        if kwargs is None:
            return
        named = dict(zip(self._tops[module], args, strict=False)) | kwargs if args else kwargs
        chunk = self._chunk()
        # The top itself is never inside its own call: Ctrl-C breaks a call off and leaves its chunk behind.
        if chunk and module is not self._top and chunk.running == [self._top] and chunk.given(named):
            chunk.running.append(module)
        elif self._plans():
            _CHUNKS.set((*_CHUNKS.get(), Chunk(self, module, named, self._reader)))

    def _leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        chunk = self._chunk()
        if chunk is None or chunk.running[-1] is not module:
            return
        chunk.end(output)  # the base model too: the top may not hand on the cache
        chunk.running.pop()
        if not chunk.running:
            _CHUNKS.set(tuple(each for each in _CHUNKS.get() if each is not chunk))

    def _out_hook(self, site: Site) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if not (plans := self._plans()):
                return None
            x = read_output(site, output)
            new = self._pass(site, x, plans)
            return None if new is x else write_output(output, new)

        return hook

    def _in_hook(self, site: Site) -> Any:
        # Another thread may be removing the hook just now, and torch then leaves the keywords out. This
        # context has no plan in that case: its plan would keep the hook.
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
            if kwargs is None or not (plans := self._plans()):
                return None
            x = read_input(site, args, kwargs)
            if not site.shared:
                new = self._pass(site, x, plans)
                return None if new is x else write_input(args, kwargs, new)
            # Autograd may hold what the edit was given, which must then not be written over: also where x
            # asks for no gradient and what the edit does to it does (a vector that is being trained).
            given = x.clone() if torch.is_grad_enabled() else x
            new = self._pass(site, given, plans)
            if len(new) != len(x):
                raise InputError(f"{site.address} is shared with its caller, so one row cannot become many")
            if new is not given:
                x.copy_(new)
            return None

        return hook

    def _pass(self, site: Site, x: Tensor, plans: list[Plan]) -> Tensor:
        for plan in plans:
            for edit in plan.edits.get(site, ()):
                x = _apply(edit, x, self._positions(site, plan), site)
        for plan in plans:
            if plan.recorder is not None:
                plan.recorder.take(site, x)
        return x

    def _positions(self, site: Site, plan: Plan) -> Positions:
        chunk = self._chunk()
        if chunk is None:
            raise InputError(
                f"{site.address} was computed outside a call of the model, so positions are not known; "
                "call lm.hf(...) or its base model, not a part of it"
            )
        return chunk.positions(plan.requests)


def _apply(edit: Edit, x: Tensor, at: Positions, site: Site) -> Tensor:
    new = edit(x, at)
    if new is x:
        return x
    many = getattr(edit, "variants", False) and len(x) == 1 and new.shape[1:] == x.shape[1:]
    if new.shape != x.shape and not many:
        raise ShapeMismatch(
            f"an edit at {site.address} made {list(new.shape)} of {list(x.shape)}; "
            f"this hookpoint is {x.shape[-1]} wide, so check which one the vector was made for"
        )
    return new if new.dtype == x.dtype else new.to(x.dtype)
