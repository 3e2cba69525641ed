"""Yes or no against the truth: counts, rates and the area under the ROC curve. Knows rows, no client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saesteer.statistics import auroc

Figures = dict[str, float | None]


def classification(rows: Sequence[Mapping[str, Any]]) -> Figures:
    """Of rows with truth, said, probability (or None), quantile and kind; None where nothing follows."""
    truth = np.array([row["truth"] for row in rows], dtype=bool)
    said = np.array([row["said"] for row in rows], dtype=bool)
    figures = _confusion(truth, said)
    figures["auc"] = area(truth, np.array([_belief(row) for row in rows]))
    right = truth == said
    quantiles = np.array([-1 if row["quantile"] is None else row["quantile"] for row in rows], dtype=int)
    for each in sorted({*quantiles.tolist()} - {-1}):
        figures[f"accuracy_quantile_{each}"] = float(right[quantiles == each].mean())
    kinds = np.array([row["kind"] for row in rows])
    for kind in sorted({*kinds.tolist()} - {"active"}):
        figures[f"accuracy_{kind}"] = float(right[kinds == kind].mean())
    return figures


def area(truth: np.ndarray, values: np.ndarray) -> float | None:
    """AUROC, None where one class is missing."""
    if not truth.any() or truth.all():
        return None
    return float(auroc(values.astype(float), truth))


def ratio(part: float, whole: float) -> float | None:
    """None of nothing."""
    return part / whole if whole > 0 else None


def _belief(row: Mapping[str, Any]) -> float:
    return float(row["said"]) if row["probability"] is None else float(row["probability"])


def _confusion(truth: np.ndarray, said: np.ndarray) -> Figures:
    tp, fp = float((truth & said).sum()), float((~truth & said).sum())
    tn, fn = float((~truth & ~said).sum()), float((truth & ~said).sum())
    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    balanced = None if recall is None or specificity is None else (recall + specificity) / 2
    return {
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "accuracy": ratio(tp + tn, tp + fp + tn + fn),
        "balanced_accuracy": balanced,
        "precision": ratio(tp, tp + fp),
        "recall": recall,
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
    }
