"""SAEDashboard's `batch-N.json`: what its NeuronpediaRunner writes, for tools that read those files.

FOLDER/SOURCE/batch-0.json   {model_id, layer, sae_set, sae_id_suffix, features: [...]}
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer.cache import LatentCache
from saesteer.examples import Interpretation, LatentId
from saesteer.report.exports.features import Effects, Feature, Window, as_json, batches, feature_of, rounded
from saesteer.report.exports.naming import Names, Source, sources
from saesteer.runs import contained, write_bytes

BATCH: Final = 128


def export_sae_dashboard(
    interpretation: Interpretation,
    cache: LatentCache,
    folder: str | Path,
    latents: dict[str, list[LatentId]],
    names: Names,
    effects: Effects,
    progress: Callable[[str], Any],
) -> list[Path]:
    """One folder per SAE; explanations have no place in this format."""
    found = []
    rows, longest = len(cache.tokens.documents), int(np.diff(cache.tokens.starts).max(initial=0))
    for sae, source in sources(cache, names).items():
        for number, part in batches(latents.get(sae, []), BATCH):
            features = []
            for each in part:
                progress(str(each))
                features.append(_record(feature_of(cache, each, effects(each)), rows, longest, names))
            path = contained(Path(folder), f"{source.id}/batch-{number}.json")
            write_bytes(path, as_json(_batch(source, names, features)))
            found.append(path)
    return found


def _batch(source: Source, names: Names, features: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model_id": names.model,
        "layer": source.layer,
        "sae_set": names.set,
        "sae_id_suffix": source.suffix or None,
        "features": features,
    }


def _record(feature: Feature, rows: int, longest: int, names: Names) -> dict[str, Any]:
    return {
        "feature_index": feature.latent.latent,
        **feature.common,
        "n_prompts_total": rows,
        "n_tokens_in_prompt": longest,
        "dataset": names.dataset,
        "activations": [_activation(each) for each in feature.windows],
        "vector": [],
    }


def _activation(window: Window) -> dict[str, Any]:
    low, high, share = window.ends
    return {
        "bin_min": low,
        "bin_max": high,
        "bin_contains": share,
        "tokens": list(window.example.tokens),
        "values": [rounded(each) for each in window.example.activations],
        "qualifying_token_index": int(window.example.activations.argmax()),
    }
