"""Halves whose truth is planted: sparse latents, activations and labels from a seed."""

import numpy as np
from scipy import sparse

from saesteer.evaluation.saes.labelled import Half


def half(latents: np.ndarray, labels: np.ndarray, activations: np.ndarray | None = None) -> Half:
    labels = np.asarray(labels, dtype=np.float32)
    labels = labels[:, None] if labels.ndim == 1 else labels
    x = latents if activations is None else activations
    return Half(sparse.csc_array(np.asarray(latents, dtype=np.float32)), x.astype(np.float32), labels)


def noise(rows: int, width: int, share: float, seed: int) -> np.ndarray:
    """Latents that fire at random."""
    draw = np.random.default_rng(seed)
    return draw.exponential(size=(rows, width)) * (draw.random((rows, width)) < share)
