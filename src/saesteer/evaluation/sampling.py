"""Write many texts in few batches, each under its own spec, strength and prefix. Knows no judge, no concept.

A request is one text; requests with different specs and strengths share a batch. Those without a spec
never enter `steer`. A model of its own writes in batches of its own, after the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from saesteer.errors import SaesteerError
from saesteer.model import LanguageModel
from saesteer.model.sampling import Sampling
from saesteer.runs import Journal, digest
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec, steer

Progress = Callable[[int, int], None]
"""Called with the samples done and the samples in all."""


class Graded(Protocol):
    """A model that comes in strengths, such as one that was fine-tuned."""

    def at(self, strength: float) -> LanguageModel:
        """The model at a strength."""
        ...

    def fingerprint(self) -> str:
        """Equal where all its models write the same."""
        ...


@dataclass(frozen=True)
class Writing:
    """How texts are written."""

    max_new_tokens: int = 40
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    stop: bool = True
    """Whether a text ends where the model ends it."""

    def __post_init__(self) -> None:
        Sampling(self.temperature, self.top_k, self.top_p)  # InputError


@dataclass(frozen=True, eq=False)
class Request:
    """One text to write."""

    prompt: str
    """With its prefix."""
    spec: SteeringSpec | None
    strength: float
    tuned: Graded | None = None
    """Who writes it, if not the model that is asked."""


def write_texts(
    lm: LanguageModel,
    requests: Sequence[Request],
    writing: Writing,
    seed: int,
    batch: int,
    saes: Mapping[str, SAE] | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """The continuations, in the order of the requests; batches found in `journal` are not written again."""
    # Steered and plain apart, and alike lengths together: less padding.
    order = sorted(range(len(requests)), key=lambda i: (requests[i].spec is None, len(requests[i].prompt)))
    chunks = [chunk for part in _parts(order, requests) for chunk in _cut(part, batch)]
    log = Journal(journal) if journal else None
    finished = {entry["batch"]: entry["texts"] for entry in log} if log else {}
    texts: dict[int, str] = {}
    writers = _Writers(lm)
    for number, chunk in enumerate(chunks):
        written = finished.get(number)
        if written is None:
            chunk_seed = int(digest([seed, number])[:8], 16) >> 1
            first = requests[chunk[0]]
            writer = writers(first.tuned, first.strength)
            written = _batch(writer, [requests[i] for i in chunk], writing, chunk_seed, saes)
            if log:
                log.append({"batch": number, "texts": written})
        texts.update(zip(chunk, written, strict=True))
        if progress:
            progress(len(texts), len(requests))
    return [texts[i] for i in range(len(requests))]


class _Writers:
    """The models that write: one tuned one is held at a time, since each is as large as the model."""

    def __init__(self, lm: LanguageModel) -> None:
        self._lm = self._held = lm
        self._key: tuple[int, float] | None = None

    def __call__(self, tuned: Graded | None, strength: float) -> LanguageModel:
        if tuned is None:
            return self._lm
        key = (id(tuned), strength)
        if key != self._key:
            self._held = self._lm  # let go of the last one before the next is made
            self._held, self._key = tuned.at(strength), key
        return self._held


def _parts(order: list[int], requests: Sequence[Request]) -> list[list[int]]:
    """Steered, plain, and those of each tuned model at each strength."""
    parts: dict[tuple[int, float] | bool, list[int]] = {True: [], False: []}
    for i in order:
        one = requests[i]
        own = (id(one.tuned), one.strength)
        parts.setdefault(one.spec is not None if one.tuned is None else own, []).append(i)
    return list(parts.values())


def _cut(indices: list[int], batch: int) -> list[list[int]]:
    return [indices[first : first + batch] for first in range(0, len(indices), batch)]


def _batch(
    lm: LanguageModel, requests: list[Request], writing: Writing, seed: int, saes: Mapping[str, SAE] | None
) -> list[str]:
    with _steered(lm, requests, saes):
        made = lm.generate(
            [request.prompt for request in requests],
            n=1,
            max_new_tokens=writing.max_new_tokens,
            temperature=writing.temperature,
            top_k=writing.top_k,
            top_p=writing.top_p,
            seed=seed,
            stop=writing.stop,
        )
    texts = {row.request: row.text for row in made.rows}
    if set(texts) != set(range(len(requests))):
        raise SaesteerError(f"{len(requests)} requests gave {len(texts)} texts; this is a fault of saesteer")
    return [texts[i] for i in range(len(requests))]


def _steered(
    lm: LanguageModel, requests: list[Request], saes: Mapping[str, SAE] | None
) -> AbstractContextManager[Any]:
    specs = [request.spec for request in requests if request.spec is not None]
    if not specs:
        return nullcontext()
    same = all(spec is specs[0] for spec in specs)
    return steer(lm, specs[0] if same else specs, strengths=[each.strength for each in requests], saes=saes)
