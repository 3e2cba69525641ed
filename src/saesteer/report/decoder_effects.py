"""What the latents of a cache do to the next token: their SAEs' decoder rows through a model's unembedding.

Knows a model and SAEs; no page and no export.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from saesteer.cache import LatentCache
from saesteer.errors import InputError, ShapeMismatch
from saesteer.examples import LatentId
from saesteer.latents import logits_of, strongest_effects
from saesteer.report.exports.features import Logits

if TYPE_CHECKING:
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE


def decoder_effects(
    lm: LanguageModel, saes: Mapping[str, SAE], cache: LatentCache | None = None, n: int = 10
) -> Callable[[LatentId], Logits | None]:
    """Latent -> its effect; None for SAEs that are not given, and where a decoder row lies in no residual.

    A model or SAE that the cache was not made with is refused: its numbers would be of other latents.
    """
    if cache is not None:
        _check(lm, saes, cache)

    def effect(latent: LatentId) -> Logits | None:
        sae = saes.get(latent.sae)
        if sae is None:
            return None
        try:
            logits = logits_of(lm, sae.direction(latent.latent))
        except ShapeMismatch:
            return None
        return Logits(strongest_effects(lm, logits, n), logits.cpu().numpy())

    return effect


def _check(lm: LanguageModel, saes: Mapping[str, SAE], cache: LatentCache) -> None:
    wanted = cache.about.get("model_fingerprint")
    if wanted is not None and wanted != lm.fingerprint():
        raise InputError(f"{lm.name} is not the model that the cache was made with; give that one")
    for name, sae in saes.items():
        wanted = cache[name].about.get("fingerprint")
        if wanted is not None and wanted != sae.fingerprint():
            raise InputError(f"the SAE that was given for {name} is not the cache's own; give that one")
