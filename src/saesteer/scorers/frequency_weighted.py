"""F1 over all latents of an SAE, each with the weight of how often it fires. Knows scores, no scorer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from saesteer.examples import LatentId, Score
from saesteer.scorers.classification import ratio


def frequency_weighted_f1(
    scores: Sequence[Score], densities: Mapping[LatentId, float]
) -> dict[str, float | None]:
    """Per SAE of the cache: sum of density times F1 over sum of densities, of the latents that have an F1.

    `densities`: the share of tokens at which each latent fires (`LatentRecord.density`). None for an SAE
    none of whose latents has an F1 and ever fires.
    """
    weighted: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for each in scores:
        f1 = each.figures.get("f1")
        known = f1 is not None and each.latent in densities
        weight = densities[each.latent] if known else 0.0
        weights[each.latent.sae] += weight
        weighted[each.latent.sae] += weight * (f1 or 0.0)
    return {sae: ratio(weighted[sae], weights[sae]) for sae in weights}
