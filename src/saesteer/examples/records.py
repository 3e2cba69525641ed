"""What explainers and scorers are given and give back. Knows no model, no client, no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from saesteer.llms.client import NOTHING, Usage

LEVELS: Final = 10
"""Activations are shown to language models as whole numbers from 0 to this."""


class LatentId(NamedTuple):
    """One latent of one SAE of a cache."""

    sae: str
    """The cache's name of the SAE, mostly its hookpoint."""
    latent: int

    def __str__(self) -> str:
        return f"{self.sae}/{self.latent}"


@dataclass(frozen=True, eq=False)
class Example:
    """A window of text and what one latent does there."""

    ids: Int[np.ndarray, " n"]
    tokens: tuple[str, ...]
    """Their texts, with spaces; joined they are the text."""
    activations: Float[np.ndarray, " n"]
    start: int
    """The first token's number in the cache."""
    row: int
    quantile: int | None = None
    """For active windows: 0 is the weakest tenth (of as many parts as were asked for)."""
    kind: Literal["active", "random", "neighbour", "semantic"] = "active"
    """Where a window comes from; all but "active" are silent at this latent."""
    similarity: float | None = None
    """Of a hard negative, to what it was chosen for."""

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def max(self) -> float:
        """0 where it is silent."""
        return float(self.activations.max(initial=0.0))

    @property
    def active(self) -> Bool[np.ndarray, " n"]:
        return self.activations > 0

    def levels(self, largest: float) -> Int[np.ndarray, " n"]:
        """0 to 10 of `largest`, rounded up, so that what is active is never shown as 0."""
        if largest <= 0:
            return np.zeros(len(self.ids), dtype=np.int64)
        return np.clip(np.ceil(self.activations * (LEVELS / largest)), 0, LEVELS).astype(np.int64)


@dataclass(frozen=True, eq=False)
class LatentRecord:
    """A latent, examples that explain it and others that test the explanation: no window is in both."""

    id: LatentId
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    silent_train: tuple[Example, ...] = ()
    silent_test: tuple[Example, ...] = ()
    max: float = 0.0
    """Over all of the cache: what `levels` are shares of."""
    density: float = 0.0
    """Share of content tokens at which it is active."""
    windows: int = 0
    """In how many windows it is active."""
    promoted: tuple[str, ...] = ()
    """Tokens that its decoder row makes likelier, the most first; empty where no model was at hand."""
    suppressed: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    other: Explanation | None = None
    """What is said of another latent, for scorers that need a control; pipelines draw it by the seed."""


@dataclass(frozen=True)
class Skipped:
    """Why a latent has no record, to be counted."""

    latent: LatentId
    kind: str
    """"never_active" or "too_few_windows"."""
    message: str


@dataclass(frozen=True)
class Failure:
    """Why there is no result, to be counted: it never looks like data."""

    kind: str
    """"unparsed", "too_few_examples", or the `kind` of a ClientError."""
    message: str


@dataclass(frozen=True)
class Explanation:
    """What a latent stands for, in words, or why there are none."""

    latent: LatentId
    explainer: str
    text: str | None
    failure: Failure | None = None
    usage: Usage = NOTHING
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON: reasoning, candidates, seeds, what the explainer wants to be read later."""


@dataclass(frozen=True)
class Score:
    """How well an explanation foretells its latent, by one scorer."""

    latent: LatentId
    scorer: str
    explanation: str | None
    """Its text; None for scorers that need none."""
    value: float | None
    """The headline; None where no answer could be read. Which figure it is, its scorer says."""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    """JSON, one per answer that was read: truth, said, probability, quantile, start of the window, ..."""
    failures: tuple[Failure, ...] = ()
    """One per answer that could not be had or read; they are in no figure."""
    usage: Usage = NOTHING
    explainer: str | None = None
    """Whose explanation it judges; None for scorers that need none, and where nobody said."""
