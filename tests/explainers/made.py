"""Records that are written out, and a client of a few lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from saesteer.examples import Example, LatentId, LatentRecord
from saesteer.llms import ClientError, Reply, Request, Usage

ID = LatentId("layers.3", 7)


def example(text: str, row: int = 0, quantile: int | None = None) -> Example:
    """`the bride|3 came @.`: one token per word; behind a stroke its activation; `@`: without a space."""
    pieces = [re.fullmatch(r"(.+?)(?:\|([\d.]+))?", each, re.S) for each in text.split(" ")]
    tokens = tuple(m[1][1:] if m[1].startswith("@") and m[1] != "@" else f" {m[1]}" for m in pieces)
    return tokened(tokens, [float(m[2] or 0) for m in pieces], row, quantile)


def tokened(tokens, activations, row: int = 0, quantile: int | None = None) -> Example:
    """Of tokens as they are."""
    values = np.array(activations, dtype=np.float32)
    kind = "active" if (values > 0).any() else "random"
    return Example(np.arange(len(tokens)), tuple(tokens), values, row * 100, row, quantile, kind)


def record(train, silent=(), test=(), silent_test=(), latent: LatentId = ID, **more) -> LatentRecord:
    """Windows as texts; each is a row of its own."""
    parts = [[example(t, row) for row, t in enumerate(side)] for side in (train, test, silent, silent_test)]
    most = max((each.max for each in (*parts[0], *parts[1])), default=0.0)
    return LatentRecord(latent, *map(tuple, parts), max=most, **more)


WEDDING = record(
    [
        "the bride|9 and the groom|6 danced @, then they slept @.",
        "a tall usher stood beside the bride|8 @. It rained all day @.",
        "they drove home @. The bride|9 wore a long veil|4 @.",
        "nobody knew why @. A nervous groom|7 dropped the ring @.",
        "the cake was late @, said the bride|8 to the groom|5 @.",
        "her veil|6 was made of lace @. The dog tore the other veil|5 @.",
    ],
    [
        "the dog barked at the tall fence @. It rained @.",
        "they drove home and slept all day @.",
        "a nervous dog dropped the bone @, said the man @.",
        "nobody knew why the train was late @.",
        "she stood beside the road @, then it rained @.",
        "the man wore a long coat made of wool @.",
    ],
    test=["the hidden bride|9 is SECRET @."],
    silent_test=["another SECRET stands here @."],
    promoted=(" vows", " kiss", "<eos>", " Vows"),
    suppressed=(" bone",),
)


@dataclass
class Answering:
    """Says what it was given, one after the other and the last for ever, and keeps what it was asked."""

    answers: list
    name: str = "answering"
    asked: list[Request] = field(default_factory=list)

    async def complete(self, request: Request) -> Reply:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, ClientError):
            raise answer
        if isinstance(answer, Reply):
            return answer
        return Reply(answer, usage=Usage(1, 100, 10, cost=0.5))

    def fingerprint(self) -> str:
        return f"answering {self.name}"

    async def close(self) -> None:
        pass
