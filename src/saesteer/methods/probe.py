"""A linear probe: the weights of a logistic regression between texts with a concept and texts without.

A probe reads a concept as well as can be; as a direction to add it is a control for "what reads best writes
best" (AxBench, arXiv 2501.17148). Knows activations and labels.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from saesteer.errors import InputError
from saesteer.methods.activations import text_activations
from saesteer.methods.descent import check_seed
from saesteer.methods.direction import direction_spec, provenance_of, texts_of
from saesteer.model import LanguageModel
from saesteer.statistics import auroc
from saesteer.steering import SteeringSpec, TensorRef
from saesteer.text import load_concept
from saesteer.text.concept import Concept

Level = Literal["token", "text"]
PENALTIES: Final = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of C that are tried, the strongest penalty first."""
_FOLDS: Final = 4
_ROUNDS: Final = 1000
_TOLERANCE: Final = 1e-3
_MOST: Final = 20_000  # tokens in a fit


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is told apart, and which text each row is of."""

    x: Float[np.ndarray, "n d"]
    positive: Bool[np.ndarray, " n"]
    text: Int[np.ndarray, " n"]

    def part(self, which: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> _Rows:
        return _Rows(self.x[which], self.positive[which], self.text[which])


def probe(
    lm: LanguageModel,
    concept: Concept | str,
    at: str,
    *,
    level: Level = "token",
    seed: int = 0,
    strength: float | None = None,
) -> SteeringSpec:
    """A spec that adds the probe's weights, in the space of the activations (not the standardised one).

    `level`: a row is a token, or the mean of a text. The penalty is the one with the best AUROC on texts that
    were left out, fold by fold; `seed` deals the texts to the folds. The figure that is noted,
    held_out_auroc, is of one more fold that chose nothing; None, and the penalty 0.1, where a side has fewer
    than 5 texts.
    """
    check_seed(seed)
    concept, at = load_concept(concept), lm.hookpoint(at)
    rows = _rows(lm, concept, at, level, seed)
    folds = _folds(rows, len(concept.positive), len(concept.negative), seed)
    penalty, held_out = (0.1, None) if folds is None else _validated(rows, folds)
    weights = _fit(rows, penalty)
    if not np.any(weights):
        raise InputError(f"nothing tells the texts of {concept.name!r} apart at {at}; take a later hookpoint")
    about = {"level": level, "rows": len(rows.x), "C": penalty, "held_out_auroc": held_out, "seed": seed}
    vector = torch.from_numpy(weights / np.linalg.norm(weights)).float()
    provenance = provenance_of("probe", concept, at) | about
    return direction_spec(
        lm, at, TensorRef.of(vector), provenance, strength=strength, texts=texts_of(concept)
    )


def _rows(lm: LanguageModel, concept: Concept, at: str, level: str, seed: int) -> _Rows:
    if level not in get_args(Level):
        raise InputError(f"level is one of {', '.join(get_args(Level))}, got {level!r}")
    found = text_activations(lm, (*concept.positive, *concept.negative), at)
    x, text = (found.x, found.text) if level == "token" else (found.means(), torch.arange(found.texts))
    numbers = text.numpy()
    rows = _Rows(x.numpy(), numbers < len(concept.positive), numbers)
    if len(numbers) <= _MOST:
        return rows
    return rows.part(np.sort(np.random.default_rng(seed).permutation(len(numbers))[:_MOST]))


def _folds(rows: _Rows, positive: int, negative: int, seed: int) -> Int[np.ndarray, " n"] | None:
    """The fold of each row, by its text: 0 chooses nothing. None for too few texts."""
    if min(positive, negative) <= _FOLDS:
        return None
    draw = np.random.default_rng(seed)
    sides = [draw.permutation(np.arange(count) % (_FOLDS + 1)) for count in (positive, negative)]
    return np.concatenate(sides)[rows.text]


def _validated(rows: _Rows, folds: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """The penalty with the best mean AUROC over the folds, the strongest of equals; its AUROC on fold 0."""

    def told(penalty: float) -> float:
        parts = [((folds != each) & (folds != 0), folds == each) for each in range(1, _FOLDS + 1)]
        return sum(_told(rows, train, test, penalty) for train, test in parts) / _FOLDS

    best = PENALTIES[int(np.argmax([round(told(each), 6) for each in PENALTIES]))]
    return best, _told(rows, folds != 0, folds == 0, best)


def _told(rows: _Rows, train: Bool[np.ndarray, " n"], test: Bool[np.ndarray, " n"], penalty: float) -> float:
    """AUROC on test of a probe of train."""
    weights = _fit(rows.part(train), penalty)
    return float(auroc(rows.x[test] @ weights, rows.positive[test]))


def _fit(rows: _Rows, penalty: float) -> Float[np.ndarray, " d"]:
    """Weights of the raw activations; both classes weigh the same."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = rows.x.mean(0, dtype=np.float64), rows.x.std(0, dtype=np.float64)
    scale = np.where(scale > 1e-8 * np.maximum(1.0, np.abs(mean)), scale, np.inf)  # a constant says nothing
    model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=_ROUNDS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges the fit, converged or not
        model.fit((rows.x - mean) / scale, rows.positive)
    return np.asarray(model.coef_[0], dtype=np.float64) / scale
