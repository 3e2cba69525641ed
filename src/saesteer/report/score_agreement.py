"""How far two columns of scores rank and grade latents alike. Knows no drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from saesteer.evaluation.weighted import pearson, ranks, within
from saesteer.report.score_answers import draws
from saesteer.report.score_columns import Column
from saesteer.statistics import Interval, bootstrap_weights

FEWEST = 3
"""Latents below which a correlation says nothing."""


@dataclass(frozen=True)
class Agreement:
    """Two columns, over the latents that both have a value for."""

    one: str
    other: str
    latents: int
    pearson: Interval | None
    """None with too few latents, or where a column says the same of all."""
    spearman: Interval | None


def agreements(columns: tuple[Column, ...]) -> tuple[Agreement, ...]:
    """Every pair once, in the order of the columns."""
    return tuple(
        _agreement(one, other) for place, one in enumerate(columns) for other in columns[place + 1 :]
    )


def _agreement(one: Column, other: Column) -> Agreement:
    both = [latent for latent in one.values if latent in other.values]
    x, y = (np.array([each.values[latent] for latent in both]) for each in (one, other))
    if len(both) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return Agreement(one.label, other.label, len(both), None, None)

    def figures(weights: Float[np.ndarray, "draws latents"]) -> Float[np.ndarray, "draws 2"]:
        places = [ranks(weights, each) for each in (x, y)]
        return np.stack([pearson(weights, x, y), pearson(weights, *places)], axis=1)

    one_to_one, by_rank = bootstrap_weights(figures, np.zeros(len(both), int), draws(len(both)) // 4)
    return Agreement(one.label, other.label, len(both), within(one_to_one), within(by_rank))
