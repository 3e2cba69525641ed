"""Small caches of known latents, and what must hold of every record of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from saesteer.cache import LatentCache, cache_of_matrix
from saesteer.examples import ExampleSettings, LatentRecord, Loader

BOS, END, WORDS = 0, 1, 40
STRINGS = ("<bos>", "<end>", *(f" w{i}" for i in range(WORDS)))


def cache(
    lengths: list[int], d_sae: int = 3, density: float = 0.2, seed: int = 0, ends: float = 0.05
) -> LatentCache:
    """Rows of these lengths: a BOS each, and here and there a special token in the middle."""
    draw = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = draw.integers(2, 2 + WORDS, starts[-1])
    ids[draw.random(starts[-1]) < ends] = END
    ids[starts[:-1][np.array(lengths) > 0]] = BOS
    matrix = np.where(draw.random((starts[-1], d_sae)) < density, draw.random((starts[-1], d_sae)) * 4, 0)
    matrix = np.round(matrix, 1)  # with ties
    return cache_of_matrix(matrix, ids, starts, STRINGS, special_ids=frozenset({BOS, END}))


def dense(made: LatentCache, latent: int) -> np.ndarray:
    """What the latent does at every token of the cache."""
    (name,) = made.names
    entries = made[name].latent(latent)
    found = np.zeros(len(made.tokens), np.float32)
    found[entries.tokens] = entries.values
    return found


caches = st.builds(
    cache,
    st.lists(st.integers(0, 70), min_size=1, max_size=12),
    density=st.sampled_from([0.0, 0.01, 0.1, 0.6, 1.0]),
    seed=st.integers(0, 9),
    ends=st.sampled_from([0.0, 0.1, 0.5]),
)


def check(loader: Loader, record: LatentRecord) -> None:
    """Everything that holds of any record."""
    made, settings = loader.cache, loader.settings
    true = dense(made, record.id.latent)
    seen: list[int] = []
    for part in (record.train, record.test, record.silent_train, record.silent_test):
        for each in part:
            stop = each.start + len(each.ids)
            assert 0 < len(each.ids) <= settings.length
            assert made.tokens.starts[each.row] <= each.start < stop <= made.tokens.starts[each.row + 1]
            assert made.tokens.content(each.start, stop).all()
            assert each.ids.tolist() == made.tokens.ids[each.start : stop].tolist()
            assert each.tokens == tuple(STRINGS[i] for i in each.ids)
            assert each.activations.tolist() == true[each.start : stop].tolist()
            seen += range(each.start, stop)
    assert len(seen) == len(set(seen)), "no token stands in two windows"
    for each in (*record.train, *record.test):
        assert each.kind == "active" and each.max > 0
        assert each.quantile is not None and 0 <= each.quantile < settings.quantiles
    for each in (*record.silent_train, *record.silent_test):
        assert each.kind != "active" and each.quantile is None and not each.activations.any()
    assert len(record.train) + len(record.test) == min(record.windows, settings.train + settings.test)
    assert len(record.train) <= settings.train and len(record.test) <= settings.test
    assert record.max == true.max()


def small(**fields) -> ExampleSettings:
    """For caches of a few hundred tokens."""
    given = {"length": 8, "train": 4, "test": 5, "quantiles": 3, "negatives": 5, "silent_train": 3}
    return ExampleSettings(**({"min_windows": 1} | given | fields))


def told(record) -> tuple:
    """What two equal records have in common."""
    parts = (record.train, record.test, record.silent_train, record.silent_test)
    return tuple(
        tuple((e.start, len(e.ids), e.kind, e.quantile, e.similarity, tuple(e.activations)) for e in part)
        for part in parts
    )
