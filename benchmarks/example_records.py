"""Seconds of processor time that a record of a latent takes, from a cache that is made up.

    PYTHONPATH=src python benchmarks/example_records.py [--tokens 1000000] [--width 16384] [--k 32]

Rows of 256 tokens with a BOS each; token ids by Zipf's law; how often latents fire is log-normal, and latent
0 fires on a tenth of all tokens. 40 training, 50 test and 90 silent windows of 32 tokens, complete when read.
`records` is what other benchmarks call.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from statistics import median

import numpy as np

from saesteer.cache import LatentCache, LatentTable, Statistics, TokenTable
from saesteer.examples import ExampleSettings, LatentId, LatentRecord, Loader

ROW, VOCABULARY = 256, 50_000


def made_up(tokens: int, width: int, k: int, seed: int = 0, dense: float = 0.1) -> LatentCache:
    """About tokens x k entries; `dense`: the share of all tokens at which latent 0 fires."""
    draw = np.random.default_rng(seed)
    ids = np.minimum(draw.zipf(1.15, tokens), VOCABULARY - 1).astype(np.int32)
    ids[::ROW] = 0
    starts = np.minimum(np.arange(-(-tokens // ROW) + 1) * ROW, tokens)
    rows = len(starts) - 1
    places = TokenTable(ids, starts, np.arange(rows), np.zeros(rows, np.int64), frozenset({0}))
    rate = draw.lognormal(0, 1.2, width)
    rate = np.minimum(rate * k / rate.sum(), 0.3)
    rate[0] = dense
    found = [np.unique(draw.integers(0, tokens, count)) for count in draw.binomial(tokens, rate)]
    found = [each[each % ROW > 0].astype(np.uint32) for each in found]
    count = np.array([len(each) for each in found])
    indptr = np.concatenate([[0], np.cumsum(count)])
    values = (draw.exponential(1, indptr[-1]) + 0.05).astype(np.float16)
    bounds = [values[low:high].max(initial=0) for low, high in pairwise(indptr.tolist())]
    none = np.zeros((width, 1))
    statistics = Statistics(
        count, none[:, 0], none[:, 0], np.array(bounds), count, none, np.zeros(2), tokens - rows
    )
    table = LatentTable("made up", "layers.0", indptr, np.concatenate(found), values, statistics)
    return LatentCache(places, {"made up": table}, tuple(f" t{i}" for i in range(VOCABULARY)))


def records(cache: LatentCache, settings: ExampleSettings, latents: list[LatentId]) -> list[float]:
    """Milliseconds of processor time for each record; skipped latents are left out."""
    loader, found = Loader(cache, settings), []
    for each in latents[:20]:
        loader.record(each)
    for each in latents:
        start = time.thread_time()
        record = loader.record(each)
        if isinstance(record, LatentRecord):
            found.append(1e3 * (time.thread_time() - start))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a record of a latent takes.")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=16_384)
    parser.add_argument("--k", type=int, default=32)
    given = parser.parse_args()
    cache = made_up(given.tokens, given.width, given.k)
    (name,) = cache.names
    some = np.random.default_rng(1).integers(1, given.width, 500).tolist()
    rare = np.argsort(cache[name].statistics.count)
    rare = rare[np.searchsorted(cache[name].statistics.count[rare], 400) :][:50].tolist()
    print(f"{cache[name].indptr[-1] / 1e6:.1f} million entries; milliseconds, median and 95 %")
    for form in ("tiled", "centred"):
        for what, latents in (
            ("500 at random", some),
            ("400 entries", rare),
            ("a tenth of tokens", [0] * 20),
        ):
            taken = records(cache, ExampleSettings(form=form), [LatentId(name, each) for each in latents])
            print(f"{form:8} {what:18} {median(taken):6.2f} {np.quantile(taken, 0.95):6.2f}", flush=True)


if __name__ == "__main__":
    main()
