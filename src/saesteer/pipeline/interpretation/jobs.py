"""One call made ready: the folder of results, what is done with which latents, and its dry run.

Knows runs, results and clients that must be closed; not how names became explainers and scorers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from saesteer.cache import LatentCache
from saesteer.examples import WINDOWS, ExampleSettings, Grid, Interpretation, LatentFigures, LatentId
from saesteer.explainers import Explainer
from saesteer.llms.blocking import finish
from saesteer.llms.client import Client
from saesteer.pipeline.interpretation.making import Asked
from saesteer.pipeline.interpretation.planning import Planned, planned
from saesteer.pipeline.interpretation.progress import Progress, Tell
from saesteer.pipeline.interpretation.results import Results
from saesteer.pipeline.interpretation.running import Run, Stages
from saesteer.runs import Manifest, digest, plain
from saesteer.scorers import Scorer

_LARGE: Final = 1 << 16  # numbers of an array in memory that stand for it, evenly spread


@dataclass(frozen=True)
class Job:
    """What one call does: `run` it, or say what it would send."""

    results: Results
    stages: Stages
    latents: tuple[LatentId, ...]
    about: Mapping[str, Any]
    parallel: int = 8
    retry_failed: bool = False
    clients: tuple[Client, ...] = ()
    """Made for this call, and closed after it."""

    def run(self, tell: Tell | None = None) -> Interpretation:
        """Do what is missing, keep it, and give all that the folder holds now."""
        with self.results.locked():
            self.results.describe(self.about)
            finish(self._work(tell))
            return self.results.load()

    def plan(self) -> Planned:
        """What `run` would ask of language models; nothing is asked, nothing written."""
        run = Run(self.stages, self.results, self.retry_failed)
        return finish(planned(run, self.stages, self.latents))

    async def _work(self, tell: Tell | None) -> Progress:
        try:
            run = Run(self.stages, self.results, self.retry_failed)
            return await run.run(self.latents, self.parallel, tell)
        finally:
            for each in self.clients:
                await each.close()


@dataclass(frozen=True)
class Tool:
    """An explainer or scorer, and what was asked for where it was made from a name."""

    made: Explainer | Scorer
    asked: Asked | None = None

    def record(self, stages: Stages) -> dict[str, Any]:
        """For about.json; no key, no address."""
        client = getattr(self.made, "client", None)
        found: dict[str, Any] = {"config": stages.config(self.made), "fingerprint": self.made.fingerprint()}
        found["settings"] = self.asked.record() if self.asked else {"name": type(self.made).__name__}
        if isinstance(self.made, Scorer):
            found["headline"] = self.made.headline
        return found | ({"client": client.name} if isinstance(client, Client) else {})


@dataclass(frozen=True)
class Ground:
    """What results stand on: a cache and how examples are drawn from it."""

    cache: LatentCache
    settings: ExampleSettings
    sources: Mapping[str, str] = field(default_factory=dict)
    """SAE of the cache -> where it was loaded from, where that is known."""

    def fingerprint(self) -> str:
        """Equal where equal windows are drawn."""
        return digest([cache_fingerprint(self.cache), plain(self.settings)])

    def enough(self) -> Callable[[LatentId], bool]:
        """Whether a latent is active in as many windows as a record needs."""
        grid, form = Grid.of(self.cache.tokens, self.settings.length), WINDOWS.get(self.settings.form)

        def enough(latent: LatentId) -> bool:
            windows = form(grid, self.cache[latent.sae].latent(latent.latent))
            return len(windows) >= self.settings.min_windows

        return enough

    def about(self, results: Results) -> dict[str, Any]:
        """The part of about.json that is of no explainer and no scorer."""
        cache = self.cache
        saes = {
            name: {
                "hookpoint": table.hookpoint,
                "fingerprint": table.about.get("fingerprint"),
                "source": self.sources.get(name),
            }
            for name, table in cache.tables.items()
        }
        model = {"source": cache.about.get("model"), "fingerprint": cache.about.get("model_fingerprint")}
        where = _relative(cache.about.get("folder"), results.folder)
        return {
            "model": model,
            "saes": saes,
            "cache": {"folder": where, "fingerprint": cache_fingerprint(cache)},
            "examples": plain(self.settings),
        }

    def figures(self, latents: tuple[LatentId, ...]) -> dict[LatentId, LatentFigures]:
        """What the cache says of latents that may have no record."""
        found = {}
        for each in latents:
            statistics = self.cache[each.sae].statistics
            density = float(statistics.count[each.latent] / max(1, statistics.tokens))
            found[each] = LatentFigures(density, float(statistics.max[each.latent]), 0)
        return found


def cache_fingerprint(cache: LatentCache) -> str:
    """Of a folder, its manifest's key; of a cache in memory, a hash of its arrays."""
    folder = cache.about.get("folder")
    if folder is not None:
        return Manifest.load(folder).key
    arrays = [cache.tokens.ids, cache.tokens.starts]
    for name in cache.names:
        arrays += [cache[name].indptr, cache[name].tokens, cache[name].values]
    steps = [max(1, len(each) // _LARGE) for each in arrays]
    return digest([list(cache.names), [each[::step] for each, step in zip(arrays, steps, strict=True)]])


def _relative(folder: object, home: Path) -> str | None:
    """From the folder of results where the cache lies below it, so that both can be moved together."""
    if folder is None:
        return None
    path, base = Path(str(folder)).resolve(), home.resolve()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
