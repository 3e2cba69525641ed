"""First Divergence Token: where greedy texts of a steered model leave those of another setting.

Knows models and specs; no judge. SCAR reports it over 50 tokens, against the base model and against the model
with its SAE spliced in (alpha = 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final

import numpy as np

from saesteer.errors import InputError
from saesteer.evaluation.fluency import first_divergence
from saesteer.evaluation.forced import steered_rows
from saesteer.model import Generation, LanguageModel
from saesteer.saes import SAE
from saesteer.statistics import Interval, bootstrap_mean
from saesteer.steering import SteeringSpec

AT_ONCE: Final = 256  # texts written in one call
Asked = tuple[SteeringSpec | None, float | None]


@dataclass(frozen=True)
class Departure:
    """One setting's greedy texts beside those of the reference, prompt by prompt."""

    places: tuple[int | None, ...]
    """From 0, the first token that differs; None where none of the n does."""
    tokens: int
    """How many were written at most."""

    @property
    def mean(self) -> Interval:
        """Mean place; a text that never departs counts as `tokens`, so the mean is then a lower bound."""
        return bootstrap_mean(
            np.array([self.tokens if each is None else each for each in self.places], dtype=float)
        )

    @property
    def never(self) -> Interval:
        """Share of the texts that never depart."""
        return bootstrap_mean(np.array([each is None for each in self.places], dtype=float))


def departures(
    lm: LanguageModel,
    spec: SteeringSpec,
    strengths: Sequence[float],
    prompts: Sequence[str],
    n: int = 50,
    *,
    against: SteeringSpec | float | None = None,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> list[Departure]:
    """Per strength, where its greedy texts leave those of `against`: a spec at its own strength, a strength
    of this spec (1.0), or the plain model.
    """
    other: Asked = (
        (spec, float(against)) if isinstance(against, int | float) else (against, None if against else 0.0)
    )
    written = greedy(lm, [other, *((spec, float(each)) for each in strengths)], prompts, n, saes, force)
    return [departed(texts, written[0], n) for texts in written[1:]]


def departed(texts: Sequence[Generation], reference: Sequence[Generation], n: int) -> Departure:
    """Where each of these texts leaves its reference."""
    pairs = zip(texts, reference, strict=True)
    return Departure(tuple(first_divergence(one.ids, other.ids) for one, other in pairs), n)


def greedy(
    lm: LanguageModel,
    settings: Sequence[Asked],
    prompts: Sequence[str],
    n: int = 50,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> list[list[Generation]]:
    """Per setting, a text of up to `n` likeliest tokens after each prompt; settings share batches."""
    if isinstance(prompts, str) or not prompts or n < 1 or not settings:
        raise InputError(f"greedy texts need settings, prompts and n from 1 on, got {prompts!r:.40} and {n}")
    # Strengths of their own and a spec's own are compiled apart.
    own = [number for number, (_, strength) in enumerate(settings) if strength is None]
    given = [number for number in range(len(settings)) if number not in own]
    found: dict[tuple[int, int], Generation] = {}
    for part in (own, given):
        rows = [(setting, prompt) for prompt in range(len(prompts)) for setting in part]
        for first in range(0, len(rows), AT_ONCE):
            chunk = rows[first : first + AT_ONCE]
            made = Context().run(_written, lm, [settings[s] for s, _ in chunk],
                                 [prompts[p] for _, p in chunk], n, saes, force)  # fmt: skip
            found |= dict(zip(chunk, made, strict=True))
    return [[found[setting, prompt] for prompt in range(len(prompts))] for setting in range(len(settings))]


def _written(
    lm: LanguageModel,
    settings: Sequence[Asked],
    prompts: Sequence[str],
    n: int,
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> list[Generation]:
    with steered_rows(lm, settings, saes, force):
        made = lm.generate(prompts, 1, n, temperature=0.0)
    return sorted(made.rows, key=lambda row: row.request)
