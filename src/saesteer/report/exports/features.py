"""A latent as dashboards of other projects know it: figures, histograms, tokens, windows. Knows no format.

What both formats share. The field names of the formats are those of SAEDashboard and Neuronpedia; where a
figure of theirs has no counterpart here (alignment with neurons, correlated features), its list stays empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from saesteer.cache import LatentCache
from saesteer.examples import Example, LatentId
from saesteer.latents import LogitEffect
from saesteer.report.latent_contexts import Contexts, contexts

BARS: Final = 50
EMPTY: Final = (
    "neuron_alignment_indices",
    "neuron_alignment_values",
    "neuron_alignment_l1",
    "correlated_neurons_indices",
    "correlated_neurons_l1",
    "correlated_neurons_pearson",
    "correlated_features_indices",
    "correlated_features_l1",
    "correlated_features_pearson",
    "decoder_weights_dist",
)
"""Lists that both formats want and that nothing here fills."""


@dataclass(frozen=True, eq=False)
class Logits:
    """What a latent does to the next token."""

    effect: LogitEffect
    all: Float[np.ndarray, " vocab"]


Effects = Callable[[LatentId], Logits | None]


@dataclass(frozen=True, eq=False)
class Window:
    """One window, and the part of the range that it was drawn from."""

    example: Example
    group: Contexts

    @property
    def ends(self) -> tuple[float, float, float]:
        """Lowest, highest activation of the part, its share; for the strongest what SAEDashboard writes."""
        if self.group.top:
            return -1.0, rounded(self.group.high), -1.0
        return rounded(self.group.low), rounded(self.group.high), rounded(self.group.share)


@dataclass(frozen=True, eq=False)
class Feature:
    """A latent with all that both formats say of it."""

    latent: LatentId
    max: float
    common: dict[str, Any]
    """Fields of the same name in both."""
    windows: tuple[Window, ...]


def feature_of(cache: LatentCache, latent: LatentId, logits: Logits | None) -> Feature:
    """From one slice of the cache."""
    table = cache[latent.sae]
    entries, statistics = table.latent(latent.latent), table.statistics
    found = contexts(cache, entries)
    windows = tuple(Window(example, group) for group in found for example in group.examples)
    share = float(statistics.count[latent.latent]) / max(1, statistics.tokens)
    common = {
        **{name: [] for name in EMPTY},
        **_tokens(logits),
        "frac_nonzero": share,
        **_bars("freq_hist_data", entries.values),
        **_bars("logits_hist_data", np.zeros(0) if logits is None else logits.all),
    }
    return Feature(latent, float(statistics.max[latent.latent]), common, windows)


def rounded(value: float) -> float:
    """To three places, as SAEDashboard writes numbers."""
    return round(float(value), 3)


def as_json(record: Mapping[str, Any]) -> bytes:
    """UTF-8, also where a text holds half a surrogate pair."""
    return json.dumps(record, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")


def batches(items: list[LatentId], size: int) -> Iterator[tuple[int, list[LatentId]]]:
    """Number of the batch, and what is in it."""
    for number, first in enumerate(range(0, len(items), size)):
        yield number, items[first : first + size]


def _tokens(logits: Logits | None) -> dict[str, Any]:
    up, down = ((), ()) if logits is None else (logits.effect.promoted, logits.effect.suppressed)
    return {
        "neg_str": [each.token for each in down],
        "neg_values": [rounded(each.effect) for each in down],
        "pos_str": [each.token for each in up],
        "pos_values": [rounded(each.effect) for each in up],
    }


def _bars(name: str, values: Float[np.ndarray, " m"]) -> dict[str, list[float]]:
    """Heights and the middles of their bars: as many of one as of the other."""
    if not len(values):
        return {f"{name}_bar_heights": [], f"{name}_bar_values": []}
    heights, edges = np.histogram(values.astype(np.float64), BARS)
    middles = (edges[:-1] + edges[1:]) / 2
    return {
        f"{name}_bar_heights": [float(each) for each in heights],
        f"{name}_bar_values": [rounded(each) for each in middles],
    }
