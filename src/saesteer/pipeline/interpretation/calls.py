"""Explaining, scoring and both in one go, as ordinary calls: what the verbs of the command line do.

Each may be made in a notebook, whose loop goes on. Knows the order of things; the work is in other files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saesteer.cache import LatentCache
from saesteer.examples import ExampleSettings, Interpretation
from saesteer.explainers import Explainer
from saesteer.llms.client import Client
from saesteer.model import LanguageModel
from saesteer.pipeline.interpretation.choosing import Asked as Latents
from saesteer.pipeline.interpretation.preparing import Tools, prepare_explaining, prepare_scoring
from saesteer.pipeline.interpretation.progress import Tell
from saesteer.pipeline.interpretation.results import Results, save_results
from saesteer.saes import SAE
from saesteer.scorers import Scorer


def explain(
    cache: LatentCache | str | Path,
    explainer: str | Mapping[str, Any] | Explainer = "token_statistics",
    *,
    out: str | Path | None = None,
    latents: Latents = 64,
    examples: str | Mapping[str, Any] | ExampleSettings = "reference",
    client: str | Mapping[str, Any] | Client | None = None,
    lm: LanguageModel | None = None,
    saes: SAE | Mapping[str, SAE] | None = None,
    parallel: int = 8,
    seed: int = 0,
    retry_failed: bool = False,
    progress: Tell | None = None,
) -> Interpretation:
    """Explain latents of a cache, or of the cache in a folder.

    `out`: the folder of results, in which what is there already is not done again; None: nothing is kept.
    `explainer`: of EXPLAINERS, by name, with options in a mapping, or made. `lm` and `saes` (by their names
    in the cache): records say what a latent promotes. `parallel`: latents under way at once.
    """
    with _folder(out) as folder:
        tools = Tools(client=client, lm=lm, saes=_named(saes, cache))
        job = prepare_explaining(
            cache, explainer, Results(folder), tools, latents, examples, parallel, seed, retry_failed
        )
        return job.run(progress)


def score(
    explained: Interpretation | str | Path,
    scorers: str | Sequence[str | Mapping[str, Any] | Scorer] = ("detection", "fuzzing"),
    *,
    cache: LatentCache | str | Path | None = None,
    out: str | Path | None = None,
    client: str | Mapping[str, Any] | Client | None = None,
    lm: LanguageModel | None = None,
    saes: SAE | Mapping[str, SAE] | None = None,
    parallel: int = 8,
    retry_failed: bool = False,
    progress: Tell | None = None,
) -> Interpretation:
    """Score explanations: of a folder, into which the scores go, or those that `explain` returned.

    The examples are drawn as they were for explaining, so that no window which explained is one that tests.
    `cache`: where it is another folder than the one that was explained. `out`: where what `explain` returned
    is kept, with its scores; None: nothing is kept.
    """
    in_memory = isinstance(explained, Interpretation)
    with _folder(out if in_memory else explained) as folder:  # type: ignore[arg-type]
        if isinstance(explained, Interpretation) and not Results(folder).exists:
            save_results(explained, folder)
        tools = Tools(client=client, lm=lm, saes=_named(saes, cache))
        asked = [scorers] if isinstance(scorers, str) else scorers
        job = prepare_scoring(Results(folder), asked, tools, cache, parallel, retry_failed)
        return job.run(progress)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """The folder, or one that is gone afterwards."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _named(saes: SAE | Mapping[str, SAE] | None, cache: Any) -> Mapping[str, SAE] | None:
    if not isinstance(saes, SAE):
        return saes
    names = cache.names if isinstance(cache, LatentCache) else LatentCache.open(cache).names
    return {names[0]: saes}
