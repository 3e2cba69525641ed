"""Many requests to one client: bounded, in order, none lost to another's failure. Knows no client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from saesteer.llms.client import Client, ClientError, Reply, Request
from saesteer.llms.options import whole

Outcome = Reply | ClientError


async def complete_all(
    client: Client,
    requests: Sequence[Request],
    concurrency: int = 16,
    done: Callable[[int, Outcome], None] | None = None,
) -> list[Outcome]:
    """For each request, in their order, its reply or the ClientError that came instead.

    `done(number, outcome)` is called as each comes in, for progress and journals. Any other exception ends
    all, and so does a cancellation, which is what Ctrl-C is in `asyncio.run`: what runs is cancelled and
    waited for before it goes on.
    """
    found: dict[int, Outcome] = {}
    queue = iter(enumerate(requests))
    workers = [
        asyncio.ensure_future(_work(client, queue, found, done))
        for _ in range(min(whole("concurrency", concurrency, 1), len(requests)))
    ]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [found[number] for number in range(len(requests))]


async def _work(
    client: Client,
    queue: Iterator[tuple[int, Request]],
    found: dict[int, Outcome],
    done: Callable[[int, Outcome], None] | None,
) -> None:
    for number, request in queue:
        try:
            outcome: Outcome = await client.complete(request)
        except ClientError as error:
            outcome = error
        found[number] = outcome
        if done is not None:
            done(number, outcome)
