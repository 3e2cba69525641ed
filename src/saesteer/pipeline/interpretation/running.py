"""Explaining and scoring latents, each result kept as soon as it is there, and only what is missing.

Knows the order (record, explanation, scores) and that one latent's failure is its own. Knows no prompt, no
model: explainer, scorers and loader are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from saesteer.examples import Explanation, Failure, LatentFigures, LatentId, LatentRecord, Score
from saesteer.explainers import Explainer
from saesteer.explainers.random_other import RandomOther
from saesteer.llms.client import ClientError, Usage
from saesteer.pipeline.interpretation.failing import Fatal, failure_of
from saesteer.pipeline.interpretation.pipes import Pipe, Pipeline
from saesteer.pipeline.interpretation.progress import Counts, Progress, Tell
from saesteer.pipeline.interpretation.results import Key, Results, hash_of
from saesteer.runs import digest
from saesteer.scorers import Scorer


class Records(Protocol):
    """Gives a latent's examples: a Loader, or whatever stands in for one."""

    def record(self, latent: LatentId, /) -> Any:
        """A LatentRecord, or something with `kind` and `message` that says why there is none."""


@dataclass(frozen=True, eq=False)
class Stages:
    """What is done with each latent."""

    records: Records
    examples: str
    """A fingerprint of cache and example settings: part of every configuration."""
    explainer: Explainer | None = None
    """None: what the folder holds is scored."""
    scorers: tuple[Scorer, ...] = ()
    figures: Mapping[LatentId, LatentFigures] = field(default_factory=dict)
    """Of latents for which no record could be had."""
    effects: bool = False
    """Whether records say what a latent promotes, which explainers look at and scorers do not."""

    def config(self, tool: Explainer | Scorer) -> str:
        """Equal for results that may stand for each other."""
        effects = self.effects and tool is self.explainer
        return digest([tool.fingerprint(), self.examples, effects])[:16]


@dataclass
class _Latent:
    """One latent on its way through the pipes."""

    id: LatentId
    explanations: tuple[Explanation, ...]
    record: LatentRecord | Failure | None = None


class Run:
    """One call: what there is already, what is missing, and the pipes that make it."""

    def __init__(self, stages: Stages, results: Results, retry_failed: bool = False) -> None:
        """`retry_failed`: results of which something failed count as missing."""
        self._stages, self._results, self._retry = stages, results, retry_failed
        self._scored = results.scored()
        self._explained: dict[LatentId, list[Explanation]] = {}
        self._others: dict[tuple[str, int], RandomOther] = {}
        self._reading = asyncio.Lock()
        explaining = self._explaining()
        for key, found in results.explained().items():
            if key.config in explaining and not (retry_failed and found.failure and stages.explainer):
                self._explained.setdefault(key.latent, []).append(found)

    def latents(self) -> tuple[LatentId, ...]:
        """Those that have been explained."""
        return tuple(self._explained)

    async def run(self, latents: Sequence[LatentId], parallel: int = 8, tell: Tell | None = None) -> Progress:
        """Do what is missing; the outcome is in the folder."""
        missing = [each for each in latents if self.missing(each)]
        counts = Counts(len(latents), len(latents) - len(missing), tell or (lambda progress: None))
        *earlier, last = self._passes(counts)
        for pipes in earlier:
            await self._through(missing, pipes, parallel)
        await self._through(missing, last, parallel, counts.finished)
        return counts.now()

    def _passes(self, counts: Counts) -> list[list[Pipe]]:
        """Pipes for all latents, one list after the other: explaining comes first for all of them where
        scorers look at what is said of others.
        """
        explain = [Pipe(self._read), Pipe(lambda each: self._explain(each, counts))]
        scorers = self._stages.scorers
        if not scorers:
            return [explain]
        score = [Pipe(*(self._scoring(each, counts) for each in scorers))]
        if self._stages.explainer is not None and any(map(_needs_other, scorers)):
            return [explain, [Pipe(self._read), *score]]
        return [[*explain, *score]]

    async def _through(
        self,
        latents: Sequence[LatentId],
        pipes: Sequence[Pipe],
        parallel: int,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        items = (_Latent(each, self.explanations(each)) for each in latents)
        async for outcome in Pipeline(items, *pipes, parallel=parallel):
            if outcome.failure is not None:  # every stage keeps its own failures: this is a defect of ours
                raise Fatal(f"{outcome.item.id}: {outcome.failure.kind}: {outcome.failure.message}")
            done()

    # What is missing

    def _explaining(self) -> set[str]:
        """The configurations whose explanations count."""
        if self._stages.explainer is not None:
            return {self._stages.config(self._stages.explainer)}
        about = self._results.about() if self._results.exists else {}
        return {str(each["config"]) for each in about.get("explainers", {}).values()}

    def explanations(self, latent: LatentId) -> tuple[Explanation, ...]:
        """Those that there are already."""
        return tuple(self._explained.get(latent, ()))

    def missing(self, latent: LatentId) -> bool:
        """Whether anything is to be done."""
        explanations = self._explained.get(latent, ())
        if self._stages.explainer is not None and not explanations:
            return True
        return any(self.unscored(each, latent, explanations) for each in self._stages.scorers)

    def unscored(
        self, scorer: Scorer, latent: LatentId, explanations: Sequence[Explanation]
    ) -> list[Explanation | None]:
        """The explanations that this scorer has yet to score; [None] where it needs none."""
        asked: dict[str | None, Explanation | None] = {None: None}
        if scorer.needs_explanation:
            asked = {each.text: each for each in explanations if each.text is not None}
        config = self._stages.config(scorer)
        return [each for each in asked.values() if self._open(Key(latent, config, hash_of(each)))]

    def _open(self, key: Key) -> bool:
        failed = self._scored.get(key)
        return failed is None or (failed and self._retry)

    # The pipes

    async def _read(self, each: _Latent) -> _Latent:
        """In a thread, one after the other: the first may have to embed all windows of a cache."""
        try:
            async with self._reading:
                found = await asyncio.to_thread(_caught, self._stages.records.record, each.id)
            if isinstance(found, BaseException):
                raise found
            skipped = not isinstance(found, LatentRecord)
            each.record = Failure(str(found.kind), str(found.message)) if skipped else found
        except BaseException as error:
            each.record = failure_of(error)
        return each

    async def _explain(self, each: _Latent, counts: Counts) -> _Latent:
        explainer = self._stages.explainer
        if explainer is None or each.explanations:
            return each
        found = Explanation(each.id, explainer.name, None)
        try:
            found = replace(await explainer.explain(_needed(each.record)), latent=each.id)
            self._keep(explainer, found, each)
        except BaseException as error:
            why, spent = _why(each.record, error), _spent(found, error)
            found = Explanation(each.id, explainer.name, None, why, spent)
            self._keep(explainer, found, each)
        counts.note(found)
        self._explained[each.id] = [found]
        each.explanations = (found,)
        return each

    def _scoring(self, scorer: Scorer, counts: Counts) -> Any:
        async def score(each: _Latent) -> None:
            for explanation in self.unscored(scorer, each.id, each.explanations):
                counts.note(await self._score(scorer, each, explanation))

        return score

    async def _score(self, scorer: Scorer, each: _Latent, explanation: Explanation | None) -> Score:
        text, whose = (explanation.text, explanation.explainer) if explanation else (None, None)
        found = Score(each.id, scorer.name, text, None, explainer=whose)
        try:
            record = _needed(each.record)
            if explanation is not None and _needs_other(scorer):
                record = replace(record, other=await self._other(scorer, record, explanation.explainer))
            said = await scorer.score(record, explanation)
            found = replace(said, latent=each.id, explanation=text, explainer=whose)
            self._keep(scorer, found, each)
        except BaseException as error:
            failures, spent = (_why(each.record, error),), _spent(found, error)
            found = Score(each.id, scorer.name, text, None, failures=failures, usage=spent, explainer=whose)
            self._keep(scorer, found, each)
        return found

    async def _other(self, scorer: Scorer, record: LatentRecord, explainer: str) -> Explanation | None:
        """What the same explainer says of another latent, by the scorer's seed."""
        asked = (explainer, int(getattr(scorer, "seed", 0)))
        if asked not in self._others:
            told = (each for found in self._explained.values() for each in found)
            self._others[asked] = RandomOther(
                [each for each in told if each.explainer == explainer], asked[1]
            )
        found = await self._others[asked].explain(record)
        return found if found.text is not None else None

    def _keep(self, tool: Explainer | Scorer, found: Explanation | Score, each: _Latent) -> None:
        self._results.keep(self._stages.config(tool), found, self._figures(each))

    def _figures(self, each: _Latent) -> LatentFigures:
        if isinstance(each.record, LatentRecord):
            return LatentFigures(each.record.density, each.record.max, each.record.windows)
        return self._stages.figures.get(each.id, LatentFigures(0.0, 0.0, 0))


def _needs_other(scorer: Scorer) -> bool:
    return bool(getattr(scorer, "needs_other", False))


def _caught(read: Callable[[LatentId], Any], latent: LatentId) -> Any:
    """An exception is handed over as a value: not every kind gets out of a thread."""
    try:
        return read(latent)
    except BaseException as error:
        return error


class _NoRecord(Exception):
    """There are no examples of this latent; why, the record says."""


def _needed(record: LatentRecord | Failure | None) -> LatentRecord:
    if not isinstance(record, LatentRecord):
        raise _NoRecord
    return record


def _spent(found: Explanation | Score, error: BaseException) -> Usage:
    """By what was found and could not be kept, or on what a client refused."""
    return found.usage + error.usage if isinstance(error, ClientError) else found.usage


def _why(record: LatentRecord | Failure | None, error: BaseException) -> Failure:
    if isinstance(error, _NoRecord) and isinstance(record, Failure):
        return record
    return failure_of(error)
