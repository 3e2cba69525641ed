"""Records by hand: windows of a small cache, and clients of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from saesteer.cache import cache_of_matrix
from saesteer.examples import Example, Explanation, LatentId, LatentRecord
from saesteer.llms import Reply, Request, Unavailable

STRINGS = (" the", " bride", " ran", " to", " sea", ".", " and", " a", " dog", " sang")
LATENT = LatentId("layers.0", 0)


def said(text: str | None = "a wedding", latent: LatentId = LATENT) -> Explanation:
    return Explanation(latent, "by hand", text)


def record(
    active: int = 20, silent: int = 20, length: int = 8, quantiles: int = 5, seed: int = 0, train: int = 6
) -> LatentRecord:
    """Windows of a cache of one latent: active at one to three tokens of a window, or at none."""
    rng = np.random.default_rng(seed)
    number = active + silent + 2 * train
    matrix = np.zeros((number * length, 1))
    fires = np.zeros(number, dtype=bool)
    fires[rng.permutation(number)[: active + train]] = True
    for place in np.flatnonzero(fires):
        where = rng.choice(length, size=rng.integers(1, 4), replace=False)
        matrix[place * length + where, 0] = rng.uniform(0.1, 4.0, size=len(where))
    ids = rng.integers(len(STRINGS), size=number * length)
    cache = cache_of_matrix(matrix, ids, np.arange(number + 1) * length, STRINGS)
    entries = cache["layers.0"].latent(0)
    dense = np.zeros(len(ids))
    dense[entries.tokens] = entries.values
    windows = [window_of(ids, dense, at, length, bool(fires[at])) for at in range(number)]
    found = ranked([each for each in windows if each.kind == "active"], quantiles)
    quiet = [each for each in windows if each.kind != "active"]
    return LatentRecord(
        LATENT,
        train=tuple(found[:train]),
        test=tuple(found[train:]),
        silent_train=tuple(quiet[:train]),
        silent_test=tuple(quiet[train:]),
        max=float(dense.max(initial=0.0)),
        density=float((dense > 0).mean()),
        windows=active + train,
    )


def window_of(ids: np.ndarray, dense: np.ndarray, at: int, length: int, active: bool) -> Example:
    part = slice(at * length, (at + 1) * length)
    tokens = tuple(STRINGS[each] for each in ids[part])
    return Example(ids[part], tokens, dense[part], at * length, at, None, "active" if active else "random")


def ranked(examples: list[Example], parts: int) -> list[Example]:
    """With their quantile."""
    order = np.argsort(np.argsort([each.max for each in examples]))
    return [
        example_of(each.tokens, each.activations, each.start, int(place * parts // len(examples)), each.kind)
        for each, place in zip(examples, order, strict=True)
    ]


def example_of(
    tokens: Sequence[str],
    activations: Sequence[float] | np.ndarray,
    start: int = 0,
    quantile: int | None = None,
    kind: str = "active",
) -> Example:
    values = np.asarray(activations, dtype=float)
    return Example(np.arange(len(tokens)), tuple(tokens), values, start, start, quantile, kind)


class Says:
    """A client that answers by a function of the request."""

    name = "says"

    def __init__(self, answer: Callable[[Request], Reply | str]) -> None:
        self.answer, self.asked = answer, []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        found = self.answer(request)
        return Reply(found) if isinstance(found, str) else found

    def fingerprint(self) -> str:
        return "says"

    async def close(self) -> None:
        pass


class FailsEveryThird(Says):
    """Of a client's requests."""

    def __init__(self, client: object) -> None:
        super().__init__(lambda request: "")
        self.client = client

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        if len(self.asked) % 3 == 0:
            raise Unavailable("the server said 503")
        return await self.client.complete(request)
