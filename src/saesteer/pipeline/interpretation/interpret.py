"""A config to a finished folder: cache, explanations, scores, pages. Knows the order; each stage goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.cache import LatentCache
from saesteer.cache import Progress as CacheProgress
from saesteer.examples import Interpretation, LatentId, Loader
from saesteer.latents import LogitEffect, logit_effect
from saesteer.pipeline.interpretation.config import WORLD, InterpretConfig, read_mapping
from saesteer.pipeline.interpretation.jobs import Job
from saesteer.pipeline.interpretation.near import near
from saesteer.pipeline.interpretation.preparing import Tools, prepare_explaining
from saesteer.pipeline.interpretation.progress import Tell
from saesteer.pipeline.interpretation.results import Results
from saesteer.pipeline.interpretation.sources import Sources, make_cache
from saesteer.report.interpretation_page import PageNotes
from saesteer.report.write_interpretation import write_interpretation_page

REPORT: Final = "report.html"


@dataclass(frozen=True)
class Watch:
    """Who is told what, while it goes on."""

    step: Callable[[str], None] = lambda what: None
    """A stage begins."""
    cache: Callable[[CacheProgress], None] | None = None
    latents: Tell | None = None
    pages: Callable[[str, int, int], Any] = lambda label, done, total: None


@dataclass(frozen=True)
class Prepared:
    """A config with its cache made: what is left are requests and pages."""

    config: InterpretConfig
    sources: Sources
    cache: LatentCache
    job: Job

    def run(self, watch: Watch, command: str = "") -> Interpretation:
        """Explain, score, write the pages."""
        watch.step("explaining and scoring")
        found = self.job.run(watch.latents)
        if self.config.report:
            watch.step("writing pages")
            self.write_report(found, watch, command)
        return found

    def write_report(self, found: Interpretation, watch: Watch, command: str) -> Path:
        """The pages of an interpretation, with what latents promote."""

        def effect(latent: LatentId) -> LogitEffect | None:
            sae = self.sources.saes.get(latent.sae)
            return None if sae is None else logit_effect(self.sources.lm, sae.direction(latent.latent))

        notes = PageNotes(command=command, rows=".")
        path, loader = Path(self.config.out) / REPORT, self.job.stages.records
        alike = near(loader, self.sources.saes, found.latents) if isinstance(loader, Loader) else None
        return write_interpretation_page(
            found, path, self.cache, effect=effect, neighbours=alike, notes=notes, progress=watch.pages
        )


def interpret(
    config: InterpretConfig | Mapping[str, Any] | str | Path,
    *,
    retry_failed: bool = False,
    watch: Watch | None = None,
    command: str = "",
) -> Interpretation:
    """All of it: made a second time, only what is missing is done."""
    watch = watch or Watch()
    return prepare(config, retry_failed, watch).run(watch, command)


def prepare(
    config: InterpretConfig | Mapping[str, Any] | str | Path,
    retry_failed: bool = False,
    watch: Watch | None = None,
) -> Prepared:
    """Everything that asks no language model: models loaded, the cache made."""
    watch = watch or Watch()
    config = _config(config)
    sources = Sources.of(config, watch.step)
    cache = make_cache(config, sources, watch.cache)
    client = config.client if config.client is not None or config.model != WORLD else "oracle"
    tools = Tools(client, sources.lm, sources.matching(cache), sources.sources())
    job = prepare_explaining(
        cache,
        config.explainer,
        Results(config.out),
        tools,
        config.latents,
        config.example_settings(),
        config.parallel,
        config.seed,
        retry_failed,
        config.scorers,
    )
    return Prepared(config, sources, cache, job)


def _config(given: InterpretConfig | Mapping[str, Any] | str | Path) -> InterpretConfig:
    if isinstance(given, InterpretConfig):
        return given
    return InterpretConfig.from_dict(given if isinstance(given, Mapping) else read_mapping(given))
