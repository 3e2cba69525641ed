"""From what is asked for to a job: explainers and scorers are made, latents chosen, results described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from saesteer.cache import LatentCache
from saesteer.errors import InputError
from saesteer.examples import PRESETS, ExampleSettings, Explanation, Loader
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.llms.client import Client
from saesteer.llms.making import client_from
from saesteer.model import LanguageModel
from saesteer.names import Registry
from saesteer.pipeline.interpretation.choosing import Asked as Latents
from saesteer.pipeline.interpretation.choosing import choose
from saesteer.pipeline.interpretation.config import example_settings
from saesteer.pipeline.interpretation.jobs import Ground, Job, Tool
from saesteer.pipeline.interpretation.making import (
    Asked,
    Given,
    asked_for,
    make_explainer,
    make_scorer,
    needs,
)
from saesteer.pipeline.interpretation.results import Results, load_results
from saesteer.pipeline.interpretation.running import Stages
from saesteer.runs.fields import made
from saesteer.saes import SAE
from saesteer.scorers import SCORERS, Scorer

_POOL: Final = "explanations"  # what an explainer takes that repeats those of other latents
_OTHERS: Final = "others"  # what a scorer takes as shuffled controls


@dataclass
class Tools:
    """What explainers and scorers are made with; clients are made once and closed by the job."""

    client: str | Mapping[str, Any] | Client | None = None
    lm: LanguageModel | None = None
    saes: Mapping[str, SAE] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """SAE -> where it was loaded from."""
    made: list[Client] = field(default_factory=list)

    def effects(self, explaining: bool) -> bool:
        """Whether records say what a latent promotes: explainers alone look at that."""
        return explaining and self.lm is not None and bool(self.saes)

    def loader(self, cache: LatentCache, settings: ExampleSettings, explaining: bool) -> Loader:
        """Of the records that a job draws."""
        return Loader(cache, settings, self.lm if self.effects(explaining) else None, self.saes)

    def tool(
        self, asked: str | Mapping[str, Any] | Explainer | Scorer, where: str, results: Results
    ) -> tuple[Any, Asked | None]:
        """An explainer or scorer, made if it is not."""
        table: Registry[Any] = EXPLAINERS if where == "explainer" else SCORERS
        if not isinstance(asked, str | Mapping):
            return asked, None
        found = asked_for(asked, where)
        filled = _filled(found, table, results)
        given = Given(self._client(filled, table), {"lm": self.lm, "saes": self.saes})
        make = make_explainer if table is EXPLAINERS else make_scorer
        return make(filled, given), found

    def _client(self, asked: Asked, table: Registry[Any]) -> Client | None:
        """Only for what cannot do without: a key is not asked for in vain."""
        own = asked.client if asked.client is not None else self.client
        if own is None or not ("client" in needs(asked, table) or "inner" in needs(asked, table)):
            return None
        if not isinstance(own, str | Mapping):
            return own
        client = client_from(own)
        self.made.append(client)
        if asked.client is None:
            self.client = client  # one for all, so that its limits are theirs together
        return client


def prepare_explaining(
    cache: LatentCache | str | Path,
    explainer: str | Mapping[str, Any] | Explainer,
    results: Results,
    tools: Tools,
    latents: Latents = 64,
    examples: str | Mapping[str, Any] | ExampleSettings = "reference",
    parallel: int = 8,
    seed: int = 0,
    retry_failed: bool = False,
    scorers: Sequence[str | Mapping[str, Any] | Scorer] = (),
) -> Job:
    """A job that explains, and scores what it has explained where there are scorers."""
    ground = Ground(opened(cache), settings_of(examples), tools.sources)
    chosen = choose(ground.cache, latents, ground.settings.min_windows, seed, ground.enough())
    found, asked = tools.tool(explainer, "explainer", results)
    scoring = [tools.tool(each, f"scorers[{n}]", results) for n, each in enumerate(scorers)]
    return _job(ground, results, tools, (Tool(found, asked),), scoring, chosen, parallel, retry_failed)


def prepare_scoring(
    results: Results,
    scorers: Sequence[str | Mapping[str, Any] | Scorer],
    tools: Tools,
    cache: LatentCache | str | Path | None = None,
    parallel: int = 8,
    retry_failed: bool = False,
) -> Job:
    """A job that scores the explanations of a folder, by the examples by which they were made."""
    about = results.about()
    if not scorers:
        raise InputError(f"there is no scorer; give one of {', '.join(SCORERS.names())}")
    explained = tuple(dict.fromkeys(each.latent for each in results.load().explanations))
    if not explained:
        raise InputError(
            f"{results.folder} holds no explanations to score; make some first: saesteer explain "
            f"CACHE --out {results.folder}"
        )
    given = cache if cache is not None else recorded_cache(results)
    settings: ExampleSettings = made(ExampleSettings, about.get("examples", {}), "examples of about.json")
    ground = Ground(opened(given), settings, {**recorded_sources(results), **tools.sources})
    scoring = [tools.tool(each, f"scorers[{n}]", results) for n, each in enumerate(scorers)]
    return _job(ground, results, tools, (), scoring, explained, parallel, retry_failed)


def settings_of(examples: str | Mapping[str, Any] | ExampleSettings) -> ExampleSettings:
    """Of a preset, of a mapping over the reference's (or over its own `preset`), or as they are."""
    if isinstance(examples, ExampleSettings):
        return examples
    if isinstance(examples, str):
        return PRESETS.get(examples)
    changed = {name: each for name, each in examples.items() if name != "preset"}
    return example_settings(str(examples.get("preset", "reference")), changed)


def opened(cache: LatentCache | str | Path) -> LatentCache:
    """The cache; its files are mapped, and read as latents are asked for."""
    return cache if isinstance(cache, LatentCache) else LatentCache.open(cache)


def _job(
    ground: Ground,
    results: Results,
    tools: Tools,
    explaining: Sequence[Tool],
    scoring: Sequence[tuple[Any, Asked | None]],
    latents: tuple[Any, ...],
    parallel: int,
    retry_failed: bool,
) -> Job:
    scorers = [Tool(each, asked) for each, asked in scoring]
    names = [each.made.name for each in scorers]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise InputError(f"two scorers are called {twice}; give one of them another name, or leave it out")
    stages = Stages(
        tools.loader(ground.cache, ground.settings, bool(explaining)),
        ground.fingerprint(),
        explaining[0].made if explaining else None,  # type: ignore[arg-type]
        tuple(each.made for each in scorers),  # type: ignore[misc]
        ground.figures(latents),
        tools.effects(bool(explaining)),
    )
    about = ground.about(results)
    about["explainers"] = {each.made.name: each.record(stages) for each in explaining}
    about["scorers"] = {each.made.name: each.record(stages) for each in scorers}
    return Job(results, stages, latents, about, parallel, retry_failed, tuple(tools.made))


def _filled(asked: Asked, table: Registry[Any], results: Results) -> Asked:
    """With the explanations of other latents, for what repeats or shuffles them."""
    wanted = needs(asked, table)
    if _POOL in wanted:
        pool = _explanations(asked.text or results.folder, asked.name)
        return replace(asked, options={**asked.options, _POOL: pool}, text=None)
    if asked.options.get(_OTHERS) == _POOL:
        texts = tuple(dict.fromkeys(str(each.text) for each in _explanations(results.folder, asked.name)))
        return replace(asked, options={**asked.options, _OTHERS: texts})
    return asked


def _explanations(folder: str | Path, but: str) -> list[Explanation]:
    """Those with a text of a folder, in the order of latents; but for those of the one that asks."""
    found = load_results(folder).explanations
    told = [each for each in found if each.text and each.explainer != but]
    return sorted(told, key=lambda each: each.latent)


def recorded_sources(results: Results) -> dict[str, str]:
    """SAE of the cache -> where it was loaded from, where that is known."""
    saes = results.about().get("saes", {})
    return {name: str(each["source"]) for name, each in saes.items() if each.get("source")}


def recorded_cache(results: Results) -> Path:
    """Where the cache of a folder of results lay."""
    folder = results.about().get("cache", {}).get("folder")
    if folder is None:
        raise InputError(f"{results.folder} does not say where its cache lies; give it (--cache)")
    return results.folder / folder
