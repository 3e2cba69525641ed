"""What is asked for when latents are cached: a model, SAEs and where they read, filters, sizes; checked.

Knows the doors of models and SAEs; no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from saesteer.cache.encoding import Site
from saesteer.cache.merge import Filters
from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel
from saesteer.saes import SAE

Precision = Literal["auto", "float16", "float32"]
Numbers = Iterable[int]


@dataclass(frozen=True, eq=False)
class Job:
    """What is asked for."""

    lm: LanguageModel
    sites: tuple[Site, ...]
    filters: tuple[Filters, ...]
    batch_tokens: int
    run_tokens: int
    dtype: Precision

    @classmethod
    def of(
        cls,
        lm: LanguageModel,
        sites: tuple[Site, ...],
        latents: Mapping[str, Numbers] | Numbers | None,
        density: tuple[float, float] | None,
        min_count: int,
        batch_tokens: int,
        run_tokens: int,
        dtype: Precision,
    ) -> Job:
        if dtype not in get_args(Precision):
            raise InputError(f"dtype is one of {', '.join(get_args(Precision))}, got {dtype!r}")
        if batch_tokens < 1 or run_tokens < 1:
            raise InputError(
                f"microbatch and run hold one token or more, got {batch_tokens} and {run_tokens}; raise them"
            )
        low, high = density or (0.0, 1.0)
        if not 0 <= low <= high <= 1 or min_count < 0:
            raise InputError(
                f"density is a lowest and a highest share from 0 to 1 and min_count 0 or more, "
                f"got {density} and {min_count}; mend them"
            )
        wanted = _wanted(sites, latents)
        filters = tuple(Filters(float(low), float(high), min_count, wanted.get(site.name)) for site in sites)
        return cls(lm, sites, filters, batch_tokens, run_tokens, dtype)

    def record(self) -> dict[str, Any]:
        """What decides the bytes, beside what is read."""
        return {
            "arithmetic": self.lm.arithmetic,
            "saes": [{"name": site.name, "at": site.hookpoint} for site in self.sites],
            "filters": [asdict(each) for each in self.filters],
            "batch_tokens": self.batch_tokens,
            "run_tokens": self.run_tokens,
            "dtype": self.dtype,
        }

    def parts(self) -> Iterable[tuple[str, Site, Filters]]:
        """Each SAE, with the name of its files."""
        return ((str(n), *pair) for n, pair in enumerate(zip(self.sites, self.filters, strict=True)))


def sites_of(
    lm: LanguageModel, saes: SAE | Mapping[str, SAE], at: Mapping[str, str] | str | None
) -> tuple[Site, ...]:
    if isinstance(saes, SAE):
        if isinstance(at, Mapping):
            raise InputError("at is one hookpoint where there is one SAE; give a string, or SAEs by name")
        hookpoint = hookpoint_of(lm, saes, at)
        return (Site(hookpoint, hookpoint, saes),)
    places = {} if at is None else at
    if isinstance(places, str) or set(places) - set(saes) or not saes:
        raise InputError(
            f"at says for names of SAEs where they read, got {at!r}; the SAEs are {', '.join(saes)}"
        )
    return tuple(Site(name, hookpoint_of(lm, sae, places.get(name)), sae) for name, sae in saes.items())


def _wanted(
    sites: Sequence[Site], latents: Mapping[str, Numbers] | Numbers | None
) -> dict[str, tuple[int, ...]]:
    """Ascending numbers of latents by the names of their SAEs."""
    if latents is None:
        return {}
    if not isinstance(latents, Mapping):
        if len(sites) > 1:
            raise InputError("there are several SAEs; give latents by their names")
        latents = {sites[0].name: latents}
    widths = {site.name: site.sae.cfg.d_sae for site in sites}
    if unknown := sorted(set(latents) - set(widths)):
        raise InputError(f"latents are given for {unknown[0]!r}; the SAEs are {', '.join(widths)}")
    return {name: _within(name, numbers, widths[name]) for name, numbers in latents.items()}


def _within(name: str, numbers: Numbers, width: int) -> tuple[int, ...]:
    """Ascending, each once; refused at the first that is none, however many follow."""
    found = set()
    for each in numbers:
        if not 0 <= int(each) < width:
            raise InputError(f"latents of {name} are 0 to {width - 1}, got {each}")
        found.add(int(each))
    if not found:
        raise InputError(f"latents of {name} are 0 to {width - 1}, got none; leave latents out to keep all")
    return tuple(sorted(found))
