"""Records of latents out of a cache: windows, a draw of them, silent ones, Example objects, in that order.

Knows the tables of forms, samplers and sources. What is drawn depends on (seed, SAE, latent) alone, neither
on the order of requests nor on which latents are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from saesteer.cache import Entries, LatentCache
from saesteer.errors import InputError
from saesteer.examples.building import Builder
from saesteer.examples.embedded import EmbeddedWindows
from saesteer.examples.grid import Grid
from saesteer.examples.luck import luck
from saesteer.examples.promoted import Promoted
from saesteer.examples.records import Example, LatentId, LatentRecord, Skipped
from saesteer.examples.samplers import SAMPLERS, Pool, Sampler, spaced, strongest_first
from saesteer.examples.settings import PRESETS, ExampleSettings
from saesteer.examples.silent import NEGATIVES, Picks, Sought, Source
from saesteer.examples.similar import Neighbours
from saesteer.examples.surroundings import Surroundings
from saesteer.examples.windows import WINDOWS, Form, Windows, in_order
from saesteer.model import LanguageModel
from saesteer.saes import SAE


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
        lm: LanguageModel | None = None,
        saes: Mapping[str, SAE] | None = None,
        *,
        form: Form | None = None,
        sampler: Sampler | None = None,
        source: Source | None = None,
        neighbours: Mapping[str, Neighbours] | None = None,
        embedded: EmbeddedWindows | None = None,
    ) -> None:
        """`settings`: also a name of PRESETS. `lm` with `saes`, by their names in the cache: records get the
        tokens that latents promote and suppress.

        `form`, `sampler` and `source`: functions in place of the named ones; `sampler` draws both training
        and test windows. `neighbours`, by SAE, and `embedded`: kept from an earlier run, else made when a
        source first needs them.
        """
        self.cache = cache
        self.settings = PRESETS.get(settings) if isinstance(settings, str) else settings or ExampleSettings()
        self.grid = Grid.of(cache.tokens, self.settings.length)
        self._builder = Builder(cache)
        self._promoted = Promoted(cache, lm, saes or {})
        self._around = Surroundings(cache, self.grid, self.settings, saes or {}, neighbours or {}, embedded)
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
        found = self.cache[latent.sae].latent(latent.latent)
        entries = Entries(np.asarray(found.tokens), np.asarray(found.values))
        windows = self._windows(entries)
        if not len(windows):
            return Skipped(latent, "never_active", f"{latent} is active nowhere in the cache")
        if len(windows) < self.settings.min_windows:
            message = f"{latent} is active in {len(windows)} windows of {self.settings.min_windows}"
            return Skipped(latent, "too_few_windows", message)
        train, test = self._draw(latent, windows)
        silent = self._silent(latent, entries, windows, train, test)
        return self._record(latent, entries, windows, (train, test), silent)

    def neighbours(self, sae: str) -> Neighbours:
        """Latents like each other, as sources of silent windows look for them; found when first asked for."""
        return self._around.neighbours(sae)

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
        order = strongest_first(windows.scores)[: self.settings.max_windows]
        weaker = np.arange(len(order) - 1, -1, -1)
        parts = self.settings.quantiles
        pool = Pool(windows.scores[order], weaker * parts // max(1, len(order)), parts)
        draw = luck(self.settings.seed, *latent, "active")
        for_train, for_test = shares(len(pool), self.settings.train, self.settings.test)
        train = self._sampled(self._train, pool, for_train, draw)
        others, places = pool.without(train)
        test = places[self._sampled(self._test, others, for_test, draw)]
        first, second = (_Drawn(windows.take(order[each]), pool.quantile[each]) for each in (train, test))
        return first, second

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
    ) -> tuple[Picks, Picks]:
        """Those of the explainer and those of the scorer, dealt in turn from one search."""
        wanted = (self.settings.silent_train, self.settings.negatives)
        draw = luck(self.settings.seed, *latent, "silent")
        like = (train.windows, test.windows)
        found = self._source(
            Sought(latent, sum(wanted), self.grid, entries, windows, like, draw, self._around)
        )
        for_train, _ = shares(len(found), *wanted)
        to_train = np.zeros(len(found), bool)
        to_train[spaced(len(found), for_train)] = True
        return found.take(np.flatnonzero(to_train)), found.take(np.flatnonzero(~to_train))

    def _record(
        self,
        latent: LatentId,
        entries: Entries,
        windows: Windows,
        drawn: tuple[_Drawn, _Drawn],
        silent: tuple[Picks, Picks],
    ) -> LatentRecord:
        statistics = self.cache[latent.sae].statistics
        promoted, suppressed = self._promoted.of(latent)
        train, test, silent_train, silent_test = self._examples(entries, drawn, silent)
        return LatentRecord(
            latent,
            train,
            test,
            silent_train,
            silent_test,
            max=float(statistics.max[latent.latent]),
            density=float(statistics.count[latent.latent] / max(1, statistics.tokens)),
            windows=len(windows),
            promoted=promoted,
            suppressed=suppressed,
            about={"negatives": dict(Counter(silent[1].kinds))},
        )

    def _examples(
        self, entries: Entries, drawn: tuple[_Drawn, _Drawn], silent: tuple[Picks, Picks]
    ) -> Iterator[tuple[Example, ...]]:
        """All of a record are built at once, then parted."""
        starts, stops = self.grid.bounds(np.concatenate([each.windows for each in silent]))
        active = sum(len(each.windows) for each in drawn)
        built = self._builder.examples(
            np.concatenate([*(each.windows.starts for each in drawn), starts]),
            np.concatenate([*(each.windows.stops for each in drawn), stops]),
            entries,
            [*drawn[0].quantile.tolist(), *drawn[1].quantile.tolist(), *[None] * len(starts)],
            ["active"] * active + [kind for each in silent for kind in each.kinds],
            [None] * active + [similarity for each in silent for similarity in each.similarities],
        )
        at = 0
        for part in (drawn[0].quantile, drawn[1].quantile, *silent):
            yield tuple(built[at : at + len(part)])
            at += len(part)


def shares(found: int, train: int, test: int) -> tuple[int, int]:
    """Of training and test windows: as asked, or in proportion where too few were found."""
    if found >= train + test:
        return train, test
    share = -(-found * train // (train + test))
    return share, found - share
