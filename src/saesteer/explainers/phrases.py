"""The phrase in which a word stands where it fires, place by place. Knows shares of neighbours only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from saesteer.explainers.observed import AFTER, BEFORE, EDGE, ENDS, Beside

MOSTLY: Final = 0.75
"""Share of the activation that makes a neighbour or a place a rule."""
TIMES: Final = 3.0
"""How much rarer the same must be where the latent is silent."""
_EACH: Final = 0.2
"""Share of each of two words that take turns at one place."""
_ALL: Final = 0.9
"""Share of the two together."""
_GAP: Final[tuple[str, ...]] = ()
"""A place where many words may stand; one on a side, if the phrase goes on beyond it."""


@dataclass(frozen=True)
class Phrase:
    """What stands before and after, in the order of the text; at a place one word, or two that take turns."""

    before: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    @property
    def length(self) -> int:
        """Places of which something is known."""
        return sum(map(bool, (*self.before, *self.after)))

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for place in (*self.before, *self.after) for word in place)


def phrase(beside: Beside, usual: Beside) -> Phrase:
    """Empty on a side where nothing stands so often, or nothing that does not stand everywhere."""
    return Phrase(_side(beside, usual, BEFORE)[::-1], _side(beside, usual, AFTER))


def told(beside: Beside, usual: Beside, offset: int, words: frozenset[str]) -> bool:
    """Whether one of the words mostly stands there, and elsewhere seldom."""
    share, base = (sum(side[offset].get(word, 0.0) for word in words) for side in (beside, usual))
    return share >= MOSTLY and share >= TIMES * base


def _side(beside: Beside, usual: Beside, offsets: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Away from the word; cut behind the last place that says something."""
    found: list[tuple[str, ...]] = []
    end = 0
    for offset in offsets:
        place = _place(beside[offset])
        if ENDS & set(place) or (len(place) != 1 and len(place) in map(len, found)):
            break  # one gap and one place of two words are enough
        found.append(place)
        if place and told(_inner(beside, offset), _inner(usual, offset), offset, frozenset(place)):
            end = len(found)
    return tuple(found[:end])


def _inner(beside: Beside, offset: int) -> Beside:
    """Shares among windows that reach so far."""
    whole = 1 - beside[offset].get(EDGE, 0.0)
    return {offset: {word: share / whole for word, share in beside[offset].items() if word != EDGE}}


def _place(shares: Mapping[str, float]) -> tuple[str, ...]:
    """One word, or two that take turns."""
    whole = 1 - shares.get(EDGE, 0.0)
    inner = {word: share for word, share in shares.items() if word != EDGE}
    chosen = sorted(inner, key=lambda word: (-inner[word], word))[:2]
    if whole < 0.5:
        return _GAP
    if inner[chosen[0]] >= MOSTLY * whole:
        return (chosen[0],)
    both = sum(inner[word] for word in chosen)
    return tuple(chosen) if both >= _ALL * whole and inner[chosen[-1]] >= _EACH * whole else _GAP
