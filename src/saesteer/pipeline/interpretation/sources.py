"""Models, SAEs, texts and caches that a config names, opened when they are needed. Knows their doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

from saesteer.cache import LatentCache, cache_latents
from saesteer.cache import Progress as CacheProgress
from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel, load_model
from saesteer.names import Registry
from saesteer.pipeline.interpretation.config import WORLD, InterpretConfig
from saesteer.runs import digest
from saesteer.saes import SAE, load_sae
from saesteer.text import Document

TEXTS: Final[Registry[Callable[[], Any]]] = Registry(
    "model's own texts", {WORLD: "saesteer.world.labels:labelled_stories"}
)
_TOLD: Final = 100  # of a model's own texts, that stand for all


@dataclass(frozen=True)
class Sources:
    """What a config names; each is opened once."""

    model: str
    saes_named: Mapping[str | None, str]
    device: str = "cpu"
    dtype: str = "float32"
    note: Callable[[str], None] = field(default=lambda what: None, repr=False)

    @classmethod
    def of(cls, config: InterpretConfig, note: Callable[[str], None] = lambda what: None) -> Sources:
        return cls(config.model, config.sae_sources(), config.device or "cpu", config.dtype, note)

    @cached_property
    def lm(self) -> LanguageModel:
        self.note(f"loading {self.model}")
        return load_model(self.model, dtype=self.dtype, device=self.device)

    @cached_property
    def saes(self) -> dict[str, SAE]:
        """By their names in a cache."""
        found = {}
        for name, source in self.saes_named.items():
            self.note(f"loading {source}")
            sae = load_sae(source, device=self.device)
            found[name or hookpoint_of(self.lm, sae, None)] = sae
        return found

    def sources(self) -> dict[str, str]:
        """Name in a cache -> where it was loaded from."""
        return dict(zip(self.saes, self.saes_named.values(), strict=True))

    def matching(self, cache: LatentCache) -> dict[str, SAE]:
        """The SAEs, which must be those of the cache; InputError where one is another."""
        for name, table in cache.tables.items():
            known = table.about.get("fingerprint")
            if name not in self.saes:
                raise InputError(
                    f"the cache's SAE {name} is none of {', '.join(self.saes)}; give --sae {name}=SOURCE"
                )
            if known is not None and self.saes[name].fingerprint() != known:
                raise InputError(f"{name} of the cache was made with another SAE; give that one")
        return self.saes


def make_cache(
    config: InterpretConfig, sources: Sources, progress: Callable[[CacheProgress], None] | None = None
) -> LatentCache:
    """The finished cache of a config: the one it names, or one below its folder, made or gone on with."""
    if config.cache is not None:
        return LatentCache.open(config.cache)
    texts: Any = config.texts if config.texts is not None else OwnTexts(config.model)
    lm, saes = sources.lm, sources.saes
    sources.note("caching")
    return cache_latents(
        Path(config.out),
        lm,
        saes,
        texts,
        context=config.context,
        max_tokens=config.tokens,
        progress=progress,
    )


@dataclass(frozen=True)
class OwnTexts:
    """Texts that come with a model, without end; the first of them are their fingerprint."""

    model: str

    def __iter__(self) -> Iterator[Document]:
        if self.model not in TEXTS:
            raise InputError(f"there are no texts for the model {self.model!r}; give --texts FILE")
        return iter(TEXTS.get(self.model)().documents)

    def fingerprint(self) -> str:
        """Equal for equal texts."""
        return digest([self.model, [each.text for each in islice(self, _TOLD)]])
