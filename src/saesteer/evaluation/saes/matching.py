"""Which latent stands for which concept: thresholds and choices on one half, figures on the other.

A latent says yes where it is at or above its threshold, which is above 0: one that is silent never says yes.
Knows sparse arrays of latents and labels; no model. Nothing of size [tokens, d_sae] is ever dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from saesteer.evaluation.saes.labelled import Half, Progress
from saesteer.statistics import auroc


@dataclass(frozen=True)
class Match:
    """One latent as a detector of one concept; chosen on train, its figures from test."""

    latent: int
    threshold: float | None
    """Of its activation, with the best F1 on train; None where it never fires there."""
    precision: float
    """0 where it never says yes."""
    recall: float
    f1: float
    auroc: float
    """By its activation, without the threshold."""


@dataclass(frozen=True)
class ConceptMatch:
    """What stands for one concept."""

    best: Match
    """The latent with the best F1 on train."""
    ranked: Match
    """The latent with the best AUROC on train."""
    assigned: Match | None
    """Its latent where no latent may stand for two concepts; none where there are fewer latents."""


def yes(labels: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Where a label says so; not where it is unknown."""
    return np.nan_to_num(labels, nan=0.0) >= 0.5


def match(train: Half, test: Half, progress: Progress | None = None) -> tuple[ConceptMatch, ...]:
    """Per concept (column of the labels) its latents; each half has both sides of every concept."""
    cuts = Cuts(train.latents)
    scores = np.stack([cuts.f1(column) for column in train.labels.T])
    given = dict(zip(*linear_sum_assignment(scores, maximize=True), strict=True))
    found = []
    for concept, labels in enumerate(train.labels.T):
        if progress is not None:
            progress("matching latents", concept, train.labels.shape[1])
        known = ~np.isnan(labels)
        area = auroc(train.latents[known], yes(labels[known]))
        # among equals the first: fewer surprises than the last
        chosen = (int(scores[concept].argmax()), int(area.argmax()), given.get(concept))
        best, ranked, assigned = (
            None if latent is None else _measured(cuts, labels, test, concept, int(latent))
            for latent in chosen
        )
        assert best is not None and ranked is not None
        found.append(ConceptMatch(best, ranked, assigned))
    return tuple(found)


class Cuts:
    """Every threshold of every latent: entries by latent, the largest activations first."""

    def __init__(self, latents: sparse.csc_array) -> None:
        """`latents`: [tokens, d_sae], values above 0."""
        column = np.repeat(np.arange(latents.shape[1]), np.diff(latents.indptr))
        order = np.lexsort((-latents.data, column))
        self.start = latents.indptr.astype(np.int64)
        self.rows: Int[np.ndarray, " nnz"] = latents.indices[order]
        self.values: Float[np.ndarray, " nnz"] = latents.data[order]
        self.column: Int[np.ndarray, " nnz"] = column

    @cached_property
    def _ends(self) -> Bool[np.ndarray, " nnz"]:
        """Where a threshold can be: behind the last of equal activations."""
        differs = (np.diff(self.column) != 0) | (np.diff(self.values) != 0)
        return np.append(differs, True)[: len(self.values)]

    def f1(self, labels: Float[np.ndarray, " tokens"]) -> Float[np.ndarray, " d_sae"]:
        """The best F1 of each latent over its thresholds; 0 for one that never fires."""
        found = np.zeros(len(self.start) - 1)
        if len(self.rows):
            fires = np.flatnonzero(np.diff(self.start))
            curve = np.where(self._ends, self._curve(labels, slice(None)), 0.0)
            found[fires] = np.maximum.reduceat(curve, self.start[fires])
        return found

    def threshold(self, labels: Float[np.ndarray, " tokens"], latent: int) -> float | None:
        """The threshold with the best F1, midway to the next smaller activation (0 where there is none).

        None for a latent that never fires.
        """
        part = slice(self.start[latent], self.start[latent + 1])
        if part.start == part.stop:
            return None
        curve = np.where(self._ends[part], self._curve(labels, part), 0.0)
        place, values = int(curve.argmax()), np.append(self.values[part], 0.0)
        return float(values[place] + values[place + 1]) / 2

    def _curve(self, labels: Float[np.ndarray, " tokens"], part: slice) -> Float[np.ndarray, " n"]:
        """F1 where the entries up to each one are a yes: 2 TP / (yes said + yes true)."""
        truth, known = yes(labels), ~np.isnan(labels)
        right, said = (self._running(each, part) for each in (truth, known))
        return 2 * right / np.maximum(said + truth.sum(), 1)

    def _running(self, flags: Bool[np.ndarray, " tokens"], part: slice) -> Int[np.ndarray, " n"]:
        """How many flagged entries there are up to each one of its own latent."""
        sums = np.cumsum(flags[self.rows[part]], dtype=np.int64)
        before = np.concatenate([[0], sums])
        first = self.start[self.column[part]] - (part.start or 0)
        return sums - before[first]


def detected(said: Bool[np.ndarray, " n"], truth: Bool[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Precision, recall and F1; 0 where there is nothing to divide by."""
    right = int((said & truth).sum())
    precision, recall = right / max(1, int(said.sum())), right / max(1, int(truth.sum()))
    return precision, recall, 2 * right / max(1, int(said.sum()) + int(truth.sum()))


def column_of(latents: sparse.csc_array, latent: int) -> Float[np.ndarray, " tokens"]:
    """One latent at every token, dense."""
    part = slice(latents.indptr[latent], latents.indptr[latent + 1])
    dense = np.zeros(latents.shape[0], dtype=np.float64)
    dense[latents.indices[part]] = latents.data[part]
    return dense


def _measured(
    cuts: Cuts, labels: Float[np.ndarray, " tokens"], test: Half, concept: int, latent: int
) -> Match:
    known = ~np.isnan(test.labels[:, concept])
    truth, values = yes(test.labels[known, concept]), column_of(test.latents, latent)[known]
    threshold = cuts.threshold(labels, latent)
    said = np.zeros_like(truth) if threshold is None else values >= threshold
    figures = detected(said, truth)
    return Match(latent, threshold, *figures, float(auroc(values, truth)))
