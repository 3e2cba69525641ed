"""What else stood at one place of a reply, by the log-probabilities of its tokens. Knows no question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from saesteer.llms import Reply


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
        place = next((i for i, stop in enumerate(self.ends) if stop > start), None)
        if place is None or self.ends[place] < end:
            return None
        assert self.reply.logprobs is not None
        choice = self.reply.logprobs[place]
        first = self.ends[place] - len(choice.token)
        before, after = choice.token[: start - first], choice.token[end - first :]
        if any(each.isalnum() for each in before + after):
            return None
        found: dict[str, float] = {}
        for token, logprob in choice.top or ((choice.token, choice.logprob),):
            said = token.strip(" \t\n,[]:")
            found[said] = found.get(said, 0.0) + math.exp(min(logprob, 0.0))
        return found


def share(probabilities: Mapping[str, float], wanted: str, among: tuple[str, ...]) -> float | None:
    """Probability of `wanted` among these; None where none of them has any."""
    whole = sum(probabilities.get(each, 0.0) for each in among)
    return probabilities.get(wanted, 0.0) / whole if whole > 0 else None
