"""Ratings of contestants from games between them: Bradley-Terry and Elo, with intervals over prompts.

Bradley-Terry: P(i beats j) = 1 / (1 + 10^((r_j - r_i) / 400)), the r of highest likelihood, a tie half a win
to each (Bradley and Terry 1952; by Newton's method). One tie is added to every pair, so that who wins or
loses all has a finite rating. Elo: games one after the other, r += K (won - expected), the mean over orders
that are drawn, since the order of the games matters to it and means nothing here. Ratings of both have the
mean 1000. Knows games; no text, no judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from saesteer.errors import InputError
from saesteer.statistics import Interval, bootstrap_weights

MEAN: Final = 1000.0
K: Final = 16.0
ORDERS: Final = 20
DRAWS: Final = 400
_STEPS: Final = 400
_FARTHEST: Final = 1.0  # of a step, in nats: Newton's may overshoot
_SCALE: Final = 400 / np.log(10)
_PRIOR: Final = 1.0  # ties that every pair begins with
_CLOSE: Final = 1e-9


@dataclass(frozen=True)
class Game:
    """One comparison; `points` are those of `one`: 1, 0, or a half."""

    one: str
    other: str
    points: float
    group: str
    """What is drawn anew as a whole: the prompt."""


@dataclass(frozen=True)
class Rating:
    """One contestant."""

    name: str
    games: int
    wins: int
    ties: int
    bradley_terry: Interval
    elo: Interval


def ratings(games: Sequence[Game], level: float = 0.95, seed: int = 0) -> tuple[Rating, ...]:
    """The best first by Bradley-Terry; InputError where there is no game."""
    if not games:
        raise InputError("there are no games to rate; compare some texts first")
    names = list(dict.fromkeys(name for game in games for name in (game.one, game.other)))
    groups = list(dict.fromkeys(game.group for game in games))
    who = np.array([[names.index(game.one), names.index(game.other)] for game in games])
    if (who[:, 0] == who[:, 1]).any():
        raise InputError("a contestant plays against itself; name the two apart")
    points = np.array([game.points for game in games])
    group = np.array([groups.index(game.group) for game in games])
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(games)) for _ in range(ORDERS)]

    def both(weights: Float[np.ndarray, "draws groups"]) -> Float[np.ndarray, "draws figures"]:
        drawn = weights[:, group]
        return np.concatenate(
            [bradley_terry(who, points, drawn, len(names)), elo(who, points, drawn, len(names), orders)],
            axis=1,
        )

    found = bootstrap_weights(both, np.zeros(len(groups), int), DRAWS, level, seed)
    rated = [
        _rating(name, games, found[place], found[place + len(names)]) for place, name in enumerate(names)
    ]
    return tuple(sorted(rated, key=lambda each: -each.bradley_terry.estimate))


def bradley_terry(
    who: Int[np.ndarray, "games 2"],
    points: Float[np.ndarray, " games"],
    weights: Float[np.ndarray, "draws games"],
    contestants: int,
) -> Float[np.ndarray, "draws contestants"]:
    """`weights`: how often each game counts, per draw."""
    n = contestants
    won = np.zeros((len(weights), n * n))
    for place, share in ((who[:, 0] * n + who[:, 1], points), (who[:, 1] * n + who[:, 0], 1 - points)):
        for cell in np.unique(place):
            won[:, cell] += weights[:, place == cell] @ share[place == cell]
    won = won.reshape(-1, n, n) + _PRIOR / 2 * (1 - np.eye(n))
    played, wins = won + won.transpose(0, 2, 1), won.sum(2)
    rating = np.zeros((len(weights), n))
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(rating[:, None, :] - rating[:, :, None]))
        bend = played * expected * expected.transpose(0, 2, 1)
        curved = np.eye(n) * bend.sum(2)[:, :, None] - bend + 1 / n  # the mean of ratings stays where it is
        step = np.linalg.solve(curved, (wins - (played * expected).sum(2))[:, :, None])[:, :, 0]
        farthest = np.abs(step).max(1, keepdims=True)
        rating += step * np.minimum(1, _FARTHEST / np.maximum(farthest, _CLOSE))
        if farthest.max() < _CLOSE:
            break
    return MEAN + _SCALE * (rating - rating.mean(1, keepdims=True))


def elo(
    who: Int[np.ndarray, "games 2"],
    points: Float[np.ndarray, " games"],
    weights: Float[np.ndarray, "draws games"],
    contestants: int,
    orders: Sequence[Int[np.ndarray, " games"]],
) -> Float[np.ndarray, "draws contestants"]:
    """The mean over orders; a game that was drawn twice is played twice in a row."""
    total = np.zeros((len(weights), contestants))
    for order in orders:
        found = np.full((len(weights), contestants), MEAN)
        for game in order:
            one, other = who[game]
            for again in range(int(weights[:, game].max())):
                expected = 1 / (1 + np.exp((found[:, other] - found[:, one]) / _SCALE))
                step = K * (points[game] - expected) * (weights[:, game] > again)
                found[:, one] += step
                found[:, other] -= step
        total += found
    return total / len(orders)


def _rating(name: str, games: Sequence[Game], strength: Interval, rated: Interval) -> Rating:
    own = [
        game.points if game.one == name else 1 - game.points
        for game in games
        if name in (game.one, game.other)
    ]
    return Rating(
        name, len(own), sum(each == 1 for each in own), sum(each == 0.5 for each in own), strength, rated
    )
