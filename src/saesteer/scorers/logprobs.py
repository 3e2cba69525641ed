"""What else stood at one place of a reply, by the log-probabilities of its tokens. Knows no question."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from saesteer.llms import Reply, TokenChoice


@dataclass(frozen=True)
class Choices:
    """The tokens of a reply, laid along its text."""

    reply: Reply
    ends: tuple[int, ...]
    """Where each token ends in the text."""

    @classmethod
    def of(cls, reply: Reply) -> Self | None:
        """None where there are no log-probabilities, or where their tokens do not spell the text."""
        if not reply.logprobs:
            return None
        spelled = "".join(each.token for each in reply.logprobs)
        text = reply.text.strip()
        if not text or text not in spelled:
            return None
        at = reply.text.index(text) - spelled.index(text)
        ends = []
        for each in reply.logprobs:
            at += len(each.token)
            ends.append(at)
        return cls(reply, tuple(ends))

    def at(self, start: int, end: int) -> Mapping[str, float] | None:
        """Probabilities of the tokens that might stand where the token over [start, end) does, stripped.

        None where those characters are not one token, blanks and punctuation around them aside.
        """
        place = self._place(start)
        if place is None or self.ends[place] < end:
            return None
        token = self._choice(place).token
        first = self.ends[place] - len(token)
        if any(each.isalnum() for each in token[: start - first] + token[end - first :]):
            return None
        return _stripped(self._choice(place))

    def after(self, start: int) -> Mapping[str, float]:
        """Of the token behind the one over the character `start`; of none, nothing."""
        place = self._place(start)
        return {} if place is None or place + 1 >= len(self.ends) else _stripped(self._choice(place + 1))

    def _place(self, start: int) -> int | None:
        place = bisect_right(self.ends, start)
        return place if place < len(self.ends) else None

    def _choice(self, place: int) -> TokenChoice:
        assert self.reply.logprobs is not None
        return self.reply.logprobs[place]


def _stripped(choice: TokenChoice) -> dict[str, float]:
    found: dict[str, float] = {}
    for token, logprob in choice.top or ((choice.token, choice.logprob),):
        said = token.strip(" \t\n,[]:")
        found[said] = found.get(said, 0.0) + math.exp(min(logprob, 0.0))
    return found


def share(probabilities: Mapping[str, float], wanted: str, among: tuple[str, ...]) -> float | None:
    """Probability of `wanted` among these; None where none of them has any."""
    whole = sum(probabilities.get(each, 0.0) for each in among)
    return probabilities.get(wanted, 0.0) / whole if whole > 0 else None
