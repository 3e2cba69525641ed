"""A number per test window, the higher the likelier that the latent is active there: scored by its AUROC.

Surprisal and both embedding scorers are this with different numbers. Knows rows, no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from saesteer.examples import Example, LatentRecord, Score
from saesteer.scorers.asking import place_of, too_few
from saesteer.scorers.classification import Figures, area


def separated(
    scorer: str, record: LatentRecord, text: str | None, values: Float[np.ndarray, " windows"]
) -> Score:
    """Of test windows, active ones first; the area also of each quantile and kind of silence alone."""
    windows = [*record.test, *record.silent_test]
    truth = np.array([True] * len(record.test) + [False] * len(record.silent_test), dtype=bool)
    figures: Figures = {"auc": area(truth, values)}
    for name, chosen in _parts(windows, truth).items():
        figures[f"auc_{name}"] = area(truth[chosen], values[chosen])
    rows = tuple(
        place_of(window) | {"truth": bool(active), "said": None, "probability": None, "value": float(value)}
        for window, active, value in zip(windows, truth, values, strict=True)
    )
    return Score(record.id, scorer, text, figures["auc"], figures, rows)


def missing(scorer: str, record: LatentRecord, text: str | None) -> Score | None:
    """The score of a record without active or without silent test windows, which no area follows from."""
    for what, windows in (("active", record.test), ("silent", record.silent_test)):
        if not windows:
            failure = too_few(f"{what} test window", 0)
            return Score(record.id, scorer, text, None, failures=(failure,))
    return None


def _parts(windows: Sequence[Example], truth: np.ndarray) -> dict[str, np.ndarray]:
    """Windows of one quantile with all silent ones, and of one kind of silence with all active ones."""
    quantiles = np.array([-1 if each.quantile is None else each.quantile for each in windows])
    kinds = np.array([each.kind for each in windows])
    found = {f"quantile_{each}": (quantiles == each) & truth | ~truth for each in sorted({*quantiles[truth]})}
    found.pop("quantile_-1", None)
    silent = sorted({*kinds[~truth].tolist()})
    return found | {kind: truth | (kinds == kind) & ~truth for kind in silent if len(silent) > 1}
