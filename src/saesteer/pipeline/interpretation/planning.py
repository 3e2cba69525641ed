"""A dry run: how many requests explaining and scoring would send. Asks nobody, keeps nothing.

The very explainers and scorers run, with clients that only count; explanations that are not there yet are
stood in for, so a scorer whose requests depend on the words is counted as if they were these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from saesteer.examples import Explanation, Failure, LatentId, LatentRecord
from saesteer.explainers import Explainer
from saesteer.llms.client import Client, Reply, Request, Usage
from saesteer.pipeline.interpretation.failing import failure_of
from saesteer.pipeline.interpretation.running import Run, Stages
from saesteer.scorers import Scorer

T = TypeVar("T", Explainer, Scorer)

_STANDS_IN: Final = "Explanation: words that have to do with one topic, and the contexts in which they occur"
_PER_TOKEN: Final = 4  # characters of a prompt, roughly


@dataclass(frozen=True)
class Asks:
    """What one explainer or scorer would send."""

    requests: int
    prompt_tokens: int
    """Estimated from the characters."""


@dataclass(frozen=True)
class Planned:
    """What a call would do."""

    latents: int
    missing: int
    """Latents of which anything is missing."""
    asks: Mapping[str, Asks]
    """Explainer or scorer -> its requests; those that ask nobody have none."""

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(each.requests for each in self.asks.values())


async def planned(run: Run, stages: Stages, latents: Sequence[LatentId]) -> Planned:
    """Count what is missing of these latents."""
    counted = _Counted(stages)
    missing = [each for each in latents if run.missing(each)]
    for latent in missing:
        await counted.latent(run, latent)
    return Planned(len(latents), len(missing), counted.asks())


@dataclass
class _Counter:
    """A client that counts."""

    clients: list[Client] = field(default_factory=list)
    """In whose place it stands."""
    name: str = "a counter"
    requests: int = 0
    characters: int = 0

    async def complete(self, request: Request) -> Reply:
        self.requests += 1
        self.characters += sum(len(each.content) for each in request.messages)
        return Reply(_STANDS_IN, usage=Usage(requests=1))

    def fingerprint(self) -> str:
        return self.clients[0].fingerprint()

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class _Counted:
    """The stages, with counters in place of their clients."""

    stages: Stages
    _counters: dict[str, _Counter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        explainer = self.stages.explainer
        self._explainer = None if explainer is None else self._counting(explainer)
        self._scorers = [(each, self._counting(each)) for each in self.stages.scorers]

    def asks(self) -> dict[str, Asks]:
        named = [each for each in (self.stages.explainer, *self.stages.scorers) if each is not None]
        found = {each.name: self._counters.get(each.name, _Counter()) for each in named}
        return {name: Asks(each.requests, each.characters // _PER_TOKEN) for name, each in found.items()}

    async def latent(self, run: Run, latent: LatentId) -> None:
        record = self._record(latent)
        if record is None:
            return
        explanations: Sequence[Explanation] = run.explanations(latent)
        if not explanations and self.stages.explainer is not None:
            if self._explainer is not None:
                await _tried(self._explainer.explain(record))
            explanations = [Explanation(latent, self.stages.explainer.name, _STANDS_IN)]
        for scorer, counting in self._scorers:
            if counting is None:
                continue
            for explanation in run.unscored(scorer, latent, explanations):
                await _tried(counting.score(record, explanation))

    def _record(self, latent: LatentId) -> LatentRecord | None:
        try:
            found = self.stages.records.record(latent)
        except Exception:
            return None
        return found if isinstance(found, LatentRecord) else None

    def _counting(self, tool: T) -> T | None:
        """The tool with counters for clients, also inside tools that it holds; None where it asks nobody."""
        counter = self._counters[tool.name] = _Counter()
        found: T = _with_counter(tool, counter)
        return found if counter.clients else None


def _with_counter(tool: Any, counter: _Counter) -> Any:
    if isinstance(tool, Client):
        counter.clients.append(tool)
        return counter
    if not is_dataclass(tool) or isinstance(tool, type):
        return tool
    values = {each.name: getattr(tool, each.name) for each in fields(tool) if each.init}
    counting = {name: _with_counter(value, counter) for name, value in values.items()}
    changed = {name: each for name, each in counting.items() if each is not values[name]}
    return replace(tool, **changed) if changed else tool


async def _tried(work: Any) -> Failure | None:
    """A stand-in for an answer is no answer: what follows from it does not matter."""
    try:
        await work
    except BaseException as error:
        return failure_of(error)
    return None
