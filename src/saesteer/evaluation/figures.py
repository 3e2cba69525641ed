"""What many samples amount to: means with intervals that know that samples of one prompt are alike.

Knows rows; no model, no judge. Failed judgements are counted and never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation.fluency import distinct_n
from saesteer.evaluation.rows import Row
from saesteer.statistics import Interval, bootstrap_difference, bootstrap_mean, bootstrap_product

DRAWS = 2000
DISTINCT_TEXTS = 8  # distinct-n falls with the amount of text


@dataclass(frozen=True)
class Figures:
    """The figures of one setting on one set of samples."""

    samples: int
    """Samples with a judgement; the figures are over these."""
    failed: int
    """Samples whose judgement failed; they count nowhere else."""
    prompts: int
    """Clusters of the bootstrap. With one prompt the intervals say nothing of other prompts."""
    sentences: int | None
    """Sentences judged, where the judge counts them."""
    behaviour: Interval
    coherence: Interval
    product: Interval
    """mean behaviour times mean coherence."""
    lenient: float | None
    perplexity: float | None
    """Under the model without steering and without prefix, given the bare prompt."""
    distinct_1: float | None
    """Mean over blocks of DISTINCT_TEXTS texts, so that settings of any number of samples compare."""
    distinct_2: float | None


def figures(rows: Sequence[Row], level: float = 0.95, seed: int = 0) -> Figures:
    """The figures of samples that belong together; intervals by a bootstrap over whole prompts."""
    good = judged(rows)
    behaviour, coherence, groups = _columns(good)
    sentences = [row.sentences for row in good if row.sentences is not None]
    return Figures(
        samples=len(good),
        failed=len(rows) - len(good),
        prompts=len(set(groups)),
        sentences=sum(sentences) if sentences else None,
        behaviour=bootstrap_mean(behaviour, groups, DRAWS, level, seed),
        coherence=bootstrap_mean(coherence, groups, DRAWS, level, seed),
        product=bootstrap_product(behaviour, coherence, groups, DRAWS, level, seed),
        lenient=_mean([row.lenient for row in good]),
        perplexity=_perplexity(good),
        distinct_1=_distinct(good, 1),
        distinct_2=_distinct(good, 2),
    )


def judged(rows: Sequence[Row]) -> list[Row]:
    """The samples that count as data; SaesteerError where there is none."""
    good = [row for row in rows if row.ok]
    if not good:
        if not rows:
            raise InputError("there are no samples to average; widen the selection")
        raise SaesteerError(f"all {len(rows)} judgements failed ({rows[0].error}); mend the judge and rerun")
    return good


def difference(rows: Sequence[Row], base: Sequence[Row], level: float = 0.95, seed: int = 0) -> Interval:
    """Mean behaviour of `rows` minus that of `base`, prompts of either drawn apart."""
    (one, _, groups), (other, _, other_groups) = _columns(judged(rows)), _columns(judged(base))
    return bootstrap_difference(one, other, groups, other_groups, DRAWS, level, seed)


def _columns(
    rows: Sequence[Row],
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], np.ndarray]:
    behaviour = np.array([row.behaviour for row in rows], dtype=np.float64)
    coherence = np.array([row.coherence for row in rows], dtype=np.float64)
    return behaviour, coherence, np.array([row.prompt_id for row in rows])


def _perplexity(rows: Sequence[Row]) -> float | None:
    known = [(row.nll, row.tokens) for row in rows if row.nll is not None]
    tokens = sum(count for _, count in known)
    return math.exp(min(sum(nll * count for nll, count in known) / tokens, 700.0)) if tokens else None


def _distinct(rows: Sequence[Row], n: int) -> float | None:
    """Over blocks of equally many texts, of different prompts where there are so many; all where too few."""
    order = sorted(rows, key=lambda row: (row.sample, row.prompt_id))
    whole = len(order) - len(order) % DISTINCT_TEXTS
    starts = range(0, whole, DISTINCT_TEXTS)
    blocks = [order[start : start + DISTINCT_TEXTS] for start in starts] or [order]
    return _mean([distinct_n([row.text for row in block], n) for block in blocks])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
