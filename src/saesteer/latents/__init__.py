"""Activations of texts, and read through an SAE: capture, examples, logit effects, streams and stores.

Knows the doors of a model and of an SAE; no concept, no spec.
"""

from saesteer.latents.capture import capture, capture_stream, hookpoint_of
from saesteer.latents.examples import (
    Context,
    Histogram,
    LatentSummary,
    histogram,
    summarise,
    top_contexts,
)
from saesteer.latents.hookpoints import matching
from saesteer.latents.labels import ByColumn, ByLabel, LabelledTexts, Labeller
from saesteer.latents.logit_effect import LogitEffect, TokenEffect, logit_effect, logit_effects
from saesteer.latents.reading import Places
from saesteer.latents.rows import LatentRows
from saesteer.latents.source import ActivationSource
from saesteer.latents.store import ActivationStore, StoredShard, store_activations
from saesteer.latents.stored import StoredStream
from saesteer.latents.stream import ActivationBatch, ActivationStream

__all__ = [
    "ActivationBatch",
    "ActivationSource",
    "ActivationStore",
    "ActivationStream",
    "ByColumn",
    "ByLabel",
    "Context",
    "Histogram",
    "LabelledTexts",
    "Labeller",
    "LatentRows",
    "LatentSummary",
    "LogitEffect",
    "Places",
    "StoredShard",
    "StoredStream",
    "TokenEffect",
    "capture",
    "capture_stream",
    "histogram",
    "hookpoint_of",
    "logit_effect",
    "logit_effects",
    "matching",
    "store_activations",
    "summarise",
    "top_contexts",
]
