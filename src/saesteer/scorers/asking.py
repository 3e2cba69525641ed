"""Requests, answered or failed, and what a score says where there is nothing to ask. Knows clients."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from saesteer.examples import Example, Explanation, Failure, LatentRecord, Score
from saesteer.llms import Client, ClientError, Reply, Request, Usage, total
from saesteer.runs import digest

REVISION: Final = 1
"""Part of every fingerprint; raised when the same replies are scored otherwise."""


async def ask(client: Client, requests: Sequence[Request]) -> tuple[list[Reply | Failure], Usage]:
    """Of each request, all at once, the reply or of which kind the failure was; and what all of them took."""
    found = await asyncio.gather(*(_asked(client, each) for each in requests))
    return [reply for reply, _ in found], total([usage for _, usage in found])


async def _asked(client: Client, request: Request) -> tuple[Reply | Failure, Usage]:
    try:
        reply = await client.complete(request)
    except ClientError as error:
        return Failure(error.kind, str(error)), error.usage
    return reply, reply.usage


def unparsed(why: str, reply: Reply, kind: str = "unparsed") -> Failure:
    """A reply that says nothing, with its beginning."""
    cut = "; it was cut off at max_tokens" if reply.ended == "length" else ""
    return Failure(kind, f"{why}{cut}: {reply.text[:80]!r}")


def without_answers(scorer: str, record: LatentRecord, text: str | None, failure: Failure) -> Score:
    """The score of a latent of which nothing could be asked."""
    return Score(record.id, scorer, text, None, failures=(failure,))


def judged(found: Score, explanation: Explanation | None) -> Score:
    """The same, which says whose explanation it is about."""
    return found if explanation is None else replace(found, explainer=explanation.explainer)


def text_or_failure(explanation: Explanation | None) -> str | Failure:
    """What the explanation says."""
    if explanation is None:
        return Failure("no_explanation", "this scorer needs an explanation, got none")
    if explanation.text is None or not explanation.text.strip():
        why = "" if explanation.failure is None else f" ({explanation.failure.kind})"
        return Failure(
            "no_explanation", f"{explanation.explainer} gave no text for {explanation.latent}{why}"
        )
    return explanation.text


def too_few(what: str, got: int, needed: int = 1) -> Failure:
    """Of examples of the record."""
    return Failure("too_few_examples", f"{needed} {what} needed, the record has {got}")


def place_of(example: Example) -> dict[str, Any]:
    """What a row says of the window that it is about; JSON."""
    return {
        "start": int(example.start),
        "window_row": int(example.row),
        "kind": example.kind,
        "quantile": None if example.quantile is None else int(example.quantile),
    }


def fingerprint_of(scorer: str, settings: Mapping[str, Any]) -> str:
    """Of a scorer with its settings; those are JSON."""
    return digest({"scorer": scorer, "revision": REVISION, **settings})
