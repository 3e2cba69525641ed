"""Discrete distributions whose probabilities are known exactly, and the two ways of walking through choices.

A story is a sequence of choices. `Chance` makes them: by drawing (a new story) or by looking them up (an old
one); in both cases it adds up the log-probability, so the entropy of the generator is exact. Knows nothing of
words.
"""

import math
import random
from bisect import bisect
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Impossible(Exception):
    """What was read has probability zero under the generator; `what` names the choice."""

    def __init__(self, what: str):
        super().__init__(what)
        self.what = what


class Dist(Generic[T]):
    """A finite distribution over `items`."""

    __slots__ = ("_cumulative", "items", "p")

    def __init__(self, weights: Mapping[T, float]):
        total = sum(weights.values())
        self.items: Sequence[T] = tuple(weights)
        self.p: Mapping[T, float] = {item: weight / total for item, weight in weights.items()}
        self._cumulative = list(accumulate(self.p.values()))

    @classmethod
    def uniform(cls, items: Collection[T]) -> "Dist[T]":
        return cls(dict.fromkeys(items, 1.0))

    def sample(self, rng: random.Random) -> T:
        return self.items[min(bisect(self._cumulative, rng.random()), len(self.items) - 1)]


class Chance:
    """Makes choices and keeps their log-probability (nats). `hidden` is the story's register while nobody can
    tell it yet: its posterior is carried along, so the log-probability is the marginal one.
    """

    def __init__(self, rng: random.Random, hidden: Dist[str]):
        self.rng = rng
        self.logp = 0.0
        self.hidden = hidden.sample(rng)
        self.weights: dict[str, float] = dict(hidden.p)

    def draw(self, dist: Dist[T], given: T | None = None, without: Collection[T] = (), what: str = "") -> T:
        """One choice: drawn, or `given`. Items in `without` cannot be chosen."""
        p = dist.p
        if given is None:
            item = dist.sample(self.rng)
            while item in without:
                item = dist.sample(self.rng)
        else:
            item = given
            if item not in p or item in without:
                raise Impossible(what or str(item))
        self.logp += math.log(p[item])
        if without:
            lost = sum(p.get(other, 0.0) for other in without)
            if lost:
                self.logp -= math.log1p(-lost)
        return item

    def draw_hidden(self, dists: Mapping[str, Dist[T]], given: T | None = None, what: str = "") -> T:
        """One choice whose distribution depends on the hidden register."""
        item = dists[self.hidden].sample(self.rng) if given is None else given
        joint = {r: w * dists[r].p.get(item, 0.0) for r, w in self.weights.items()}
        total = sum(joint.values())
        if total <= 0:
            raise Impossible(what or str(item))
        self.weights = {r: w / total for r, w in joint.items()}
        self.logp += math.log(total)
        return item
