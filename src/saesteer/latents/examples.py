"""What a latent does in texts: its strongest contexts, how it is spread. Knows captured rows only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from saesteer.errors import InputError
from saesteer.latents.rows import LatentRows


@dataclass(frozen=True)
class Context:
    """A token at which a latent is strongly active, amid the tokens around it."""

    latent: int
    document: int
    position: int
    """Of the token in its document, BOS not counted."""
    activation: float
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    """One per token of the window."""
    peak: int
    """Which token of the window it is."""

    @property
    def text(self) -> str:
        """The window as text."""
        return "".join(self.tokens)


@dataclass(frozen=True)
class Histogram:
    """How the activations of a latent are spread where it is active; bin i lies between edges i and i + 1."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class LatentSummary:
    """A latent in numbers, over content tokens."""

    latent: int
    tokens: int
    density: float
    """Share of the tokens at which it is active."""
    documents: int
    """In how many documents it is active at all."""
    max: float
    mean: float
    """Over the tokens at which it is active; 0 if there are none."""
    histogram: Histogram


def top_contexts(
    rows: LatentRows, latent: int, n: int = 10, before: int = 12, after: int = 6, per_document: int = 1
) -> tuple[Context, ...]:
    """The tokens where `latent` is most active, strongest first, `per_document` at most from one document.

    A window never leaves its document and holds no special token; ties go to the earlier token.
    """
    if min(n, per_document) < 1 or min(before, after) < 0:
        raise InputError(f"give n and per_document of 1 or more, got {n} and {per_document}")
    content = np.flatnonzero(rows.content)
    values = rows.latent(latent)[content]
    document = rows.places.document[content]
    found: list[Context] = []
    taken: dict[int, int] = {}
    for i in np.argsort(-values, kind="stable")[: np.count_nonzero(values > 0)]:
        if taken.get(document[i], 0) < per_document:
            taken[document[i]] = taken.get(document[i], 0) + 1
            found.append(_context(rows, latent, content, values, int(i), before, after))
        if len(found) == n:
            break
    return tuple(found)


def histogram(rows: LatentRows, latent: int, bins: int = 20) -> Histogram:
    """Of the activations that are not 0 at content tokens; no bins for a silent latent."""
    if bins < 1:
        raise InputError(f"a histogram has one bin or more, got {bins}")
    values = rows.latent(latent)[rows.content]
    active = values[values != 0].astype(np.float64)
    if not len(active):
        return Histogram((), ())
    ends = float(active.min(initial=0.0)), float(active.max(initial=0.0))
    counts, edges = np.histogram(active, bins=bins, range=ends)
    return Histogram(tuple(map(int, counts)), tuple(map(float, edges)))


def summarise(rows: LatentRows, latent: int, bins: int = 20) -> LatentSummary:
    """A latent in numbers."""
    values = rows.latent(latent)[rows.content]
    active = values != 0
    count = int(active.sum())
    return LatentSummary(
        latent=latent,
        tokens=len(values),
        density=count / max(1, len(values)),
        documents=len(np.unique(rows.places.document[rows.content][active])),
        max=float(values.max()) if len(values) else 0.0,
        mean=float(values[active].mean(dtype=np.float64)) if count else 0.0,
        histogram=histogram(rows, latent, bins),
    )


def _context(
    rows: LatentRows,
    latent: int,
    content: Int[np.ndarray, " m"],
    values: Float[np.ndarray, " m"],
    i: int,
    before: int,
    after: int,
) -> Context:
    places = rows.places
    document = places.document[content[i]]
    near = np.arange(max(0, i - before), min(len(content), i + after + 1))
    window = near[places.document[content[near]] == document]
    return Context(
        latent=latent,
        document=int(document),
        position=int(places.position[content[i]]),
        activation=float(values[i]),
        tokens=tuple(rows.strings[int(each)] for each in places.ids[content[window]]),
        activations=tuple(map(float, values[window])),
        peak=int(np.searchsorted(window, i)),
    )
