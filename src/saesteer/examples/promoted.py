"""What latents make the model say next, a fixed group of latents at a time, so that order changes nothing.

Knows a model, SAEs and the cache's table of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import torch

from saesteer.cache import LatentCache
from saesteer.examples.records import LatentId
from saesteer.examples.similar import check_same
from saesteer.latents import logit_effects
from saesteer.model import FAMILIES, LanguageModel
from saesteer.saes import SAE

_GROUP: Final = 32  # latents that share one product with the unembedding
TOKENS: Final = 10

Texts = tuple[str, ...]


class Promoted:
    """Promoted and suppressed tokens of latents; nothing where no model or no fitting SAE is at hand."""

    def __init__(self, cache: LatentCache, lm: LanguageModel | None, saes: Mapping[str, SAE]) -> None:
        for name, sae in saes.items():
            check_same(cache[name], sae)
        self._lm, self._saes, self._strings = lm, saes, cache.strings
        self._fold = lm is not None and lm.hf.config.model_type in FAMILIES
        self._group = lru_cache(maxsize=16)(self._compute)

    def of(self, latent: LatentId) -> tuple[Texts, Texts]:
        if self._lm is None or latent.sae not in self._saes or not self._writes_to_stream(latent.sae):
            return (), ()
        return self._group(latent.sae, latent.latent // _GROUP)[latent.latent % _GROUP]

    def _compute(self, name: str, group: int) -> list[tuple[Texts, Texts]]:
        assert self._lm is not None
        rows = self._saes[name].W_dec[group * _GROUP : (group + 1) * _GROUP].detach()
        up, down = logit_effects(self._lm, rows.to(torch.float32), TOKENS, self._fold)
        return [(self._texts(more), self._texts(less)) for more, less in zip(up, down, strict=True)]

    def _texts(self, ids: torch.Tensor) -> Texts:
        return tuple([self._strings[each] for each in ids.tolist()])

    def _writes_to_stream(self, name: str) -> bool:
        assert self._lm is not None
        width: int = self._lm.hf.get_output_embeddings().weight.shape[1]
        return self._saes[name].cfg.width_out == width
