"""Records of latents out of a cache: windows, a draw of them, silent ones, Example objects, in that order.

Knows the tables of forms, samplers and sources. What is drawn depends on (seed, SAE, latent) alone, neither
on the order of requests nor on which latents are asked for.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from saesteer.cache import Entries, LatentCache
from saesteer.errors import InputError
from saesteer.examples.building import Builder
from saesteer.examples.grid import Grid
from saesteer.examples.records import Example, LatentId, LatentRecord, Skipped
from saesteer.examples.samplers import SAMPLERS, Pool, Sampler
from saesteer.examples.settings import PRESETS, ExampleSettings
from saesteer.examples.silent import NEGATIVES, Pick, Sought, Source
from saesteer.examples.windows import WINDOWS, Form, Windows, in_order

_STREAMS: Final = {"train": 0, "test": 1, "silent_test": 2, "silent_train": 3}
"""Each draw has luck of its own: another sampler of test windows leaves the training windows as they are."""


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Windows that were chosen, strongest first, and the part of all windows in which each lies."""

    windows: Windows
    quantile: Int[np.ndarray, " n"]


class Loader:
    """Makes records of the latents of a cache."""

    def __init__(
        self,
        cache: LatentCache,
        settings: ExampleSettings | str | None = None,
        *,
        form: Form | None = None,
        sampler: Sampler | None = None,
        source: Source | None = None,
    ) -> None:
        """`settings`: also a name of PRESETS. `form`, `sampler` and `source`: functions in place of the named
        ones; `sampler` draws both training and test windows.
        """
        self.cache = cache
        self.settings = PRESETS.get(settings) if isinstance(settings, str) else settings or ExampleSettings()
        self.grid = Grid.of(cache.tokens, self.settings.length)
        self._builder = Builder(cache)
        self._form = form or WINDOWS.get(self.settings.form)
        self._train = sampler or SAMPLERS.get(self.settings.train_sampler)
        self._test = sampler or SAMPLERS.get(self.settings.test_sampler)
        self._source = source or NEGATIVES.get(self.settings.negative_source)
        self._own_form, self._own_sampler = form is not None, sampler is not None

    def records(self, ids: Iterable[LatentId] | None = None) -> Iterator[LatentRecord | Skipped]:
        """In the order of `ids`; None: every latent with an entry, SAE by SAE as the cache names them."""
        for each in self.ids() if ids is None else ids:
            yield self.record(each)

    def ids(self) -> Iterator[LatentId]:
        """Every latent that has an entry in the cache."""
        for name in self.cache.names:
            yield from (LatentId(name, each) for each in self.cache[name].kept.tolist())

    def record(self, latent: LatentId) -> LatentRecord | Skipped:
        """Examples of one latent, or why there are none."""
        entries = self.cache[latent.sae].latent(latent.latent)
        windows = self._windows(entries)
        if not len(windows):
            return Skipped(latent, "never_active", f"{latent} is active nowhere in the cache")
        if len(windows) < self.settings.min_windows:
            message = f"{latent} is active in {len(windows)} windows of {self.settings.min_windows}"
            return Skipped(latent, "too_few_windows", message)
        train, test = self._draw(latent, windows)
        silent_test, silent_train = self._silent(latent, entries, windows, train, test)
        return self._record(latent, entries, windows, (train, test), (silent_test, silent_train))

    def _windows(self, entries: Entries) -> Windows:
        windows = self._form(self.grid, entries)
        if not self._own_form:
            return windows
        windows = in_order(windows)
        if (windows.starts[1:] < windows.stops[:-1]).any() or not (windows.scores > 0).all():
            raise InputError("windows of a latent overlap or have scores of 0; mend the form that was given")
        return windows

    def _draw(self, latent: LatentId, windows: Windows) -> tuple[_Drawn, _Drawn]:
        """Training windows first, test windows among the others."""
        order = np.argsort(-windows.scores, kind="stable")[: self.settings.max_windows]
        weaker = np.arange(len(order) - 1, -1, -1)
        parts = self.settings.quantiles
        pool = Pool(windows.scores[order], weaker * parts // max(1, len(order)), parts)
        for_train, for_test = self._shares(len(pool))
        train = self._sampled(self._train, pool, for_train, self._luck(latent, "train"))
        others, places = pool.without(train)
        test = places[self._sampled(self._test, others, for_test, self._luck(latent, "test"))]
        first, second = (_Drawn(windows.take(order[each]), pool.quantile[each]) for each in (train, test))
        return first, second

    def _shares(self, windows: int) -> tuple[int, int]:
        """Of training and test windows: as asked, or in proportion where there are too few."""
        train, test = self.settings.train, self.settings.test
        if windows >= train + test:
            return train, test
        share = -(-windows * train // (train + test))
        return share, windows - share

    def _sampled(self, sampler: Sampler, pool: Pool, n: int, draw: np.random.Generator) -> np.ndarray:
        found = np.asarray(sampler(pool, n, draw), np.int64)
        if self._own_sampler and (
            len(found) > n
            or len(np.unique(found)) < len(found)
            or not np.isin(found, np.arange(len(pool))).all()
        ):
            raise InputError(f"a sampler gives at most {n} different positions of the pool; mend it")
        return np.sort(found)

    def _silent(
        self, latent: LatentId, entries: Entries, windows: Windows, train: _Drawn, test: _Drawn
    ) -> tuple[list[Pick], list[Pick]]:
        """Those of the test first."""

        def seek(n: int, like: Windows, stream: str, taken: frozenset[int] = frozenset()) -> list[Pick]:
            if not n:
                return []
            near = np.unique(self.grid.window_of(np.sort((like.starts + like.stops) // 2)))
            draw = self._luck(latent, stream)
            return self._source(Sought(latent, n, self.grid, entries, windows, near, taken, draw, None))

        found = seek(self.settings.negatives, test.windows, "silent_test")
        taken = frozenset(each.window for each in found)
        return found, seek(self.settings.silent_train, train.windows, "silent_train", taken)

    def _record(
        self,
        latent: LatentId,
        entries: Entries,
        windows: Windows,
        drawn: tuple[_Drawn, _Drawn],
        silent: tuple[list[Pick], list[Pick]],
    ) -> LatentRecord:
        statistics = self.cache[latent.sae].statistics
        train, test, silent_test, silent_train = self._examples(entries, drawn, silent)
        return LatentRecord(
            latent,
            train,
            test,
            silent_train,
            silent_test,
            max=float(statistics.max[latent.latent]),
            density=float(statistics.count[latent.latent] / max(1, statistics.tokens)),
            windows=len(windows),
            about={"negatives": dict(Counter(each.kind for each in silent[0]))},
        )

    def _examples(
        self, entries: Entries, drawn: tuple[_Drawn, _Drawn], silent: tuple[list[Pick], list[Pick]]
    ) -> Iterator[tuple[Example, ...]]:
        """All of a record are built at once, then parted."""
        picks = [*silent[0], *silent[1]]
        starts, stops = self.grid.bounds(np.array([each.window for each in picks], np.int64))
        active = sum(len(each.windows) for each in drawn)
        built = self._builder.examples(
            np.concatenate([*(each.windows.starts for each in drawn), starts]),
            np.concatenate([*(each.windows.stops for each in drawn), stops]),
            entries,
            [*drawn[0].quantile.tolist(), *drawn[1].quantile.tolist(), *[None] * len(picks)],
            ["active"] * active + [each.kind for each in picks],
            [None] * active + [each.similarity for each in picks],
        )
        at = 0
        for part in (drawn[0].quantile, drawn[1].quantile, *silent):
            yield tuple(built[at : at + len(part)])
            at += len(part)

    def _luck(self, latent: LatentId, stream: str) -> np.random.Generator:
        name = zlib.crc32(latent.sae.encode())
        return np.random.default_rng([self.settings.seed, name, latent.latent, _STREAMS[stream]])
