"""What many samples amount to: means with intervals that know that samples of one prompt are alike.

Knows rows; no model, no judge. Failed judgements are counted and never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    coherence: Interval | None
    """None where nobody judged it."""
    product: Interval | None
    """mean behaviour times mean coherence."""
    lenient: float | None
    perplexity: float | None
    """Under the model without steering and without prefix, given the bare prompt."""
    distinct_1: float | None
    """Mean over blocks of DISTINCT_TEXTS texts, so that settings of any number of samples compare."""
    distinct_2: float | None
    mean_product: Interval | None = None
    """Mean over samples of behaviour times coherence: what is high only where both are, in the same text."""
    harmonic: Interval | None = None
    """Mean over samples of the harmonic mean of behaviour, coherence and, where it was judged, instruction:
    the overall score of AxBench (arXiv 2501.17148)."""
    others: Mapping[str, Interval] = field(default_factory=dict)
    """Further criteria by name, such as instruction."""
    seeds: int = 1
    """Different seeds of the writing among these samples."""


def figures(rows: Sequence[Row], level: float = 0.95, seed: int = 0) -> Figures:
    """The figures of samples that belong together; intervals by a bootstrap over whole prompts."""
    good = judged(rows)
    groups = np.array([row.prompt_id for row in good])
    columns = _columns(good)
    behaviour, coherence = columns.pop("behaviour"), columns.pop("coherence", None)
    sentences = [row.sentences for row in good if row.sentences is not None]

    def mean(values: Float[np.ndarray, " rows"] | None) -> Interval | None:
        return None if values is None else bootstrap_mean(values, groups, DRAWS, level, seed)

    product = None
    if coherence is not None:
        product = bootstrap_product(behaviour, coherence, groups, DRAWS, level, seed)
    both = (behaviour, coherence, columns.get("instruction"))
    return Figures(
        samples=len(good),
        failed=len(rows) - len(good),
        prompts=len(set(groups)),
        sentences=sum(sentences) if sentences else None,
        behaviour=bootstrap_mean(behaviour, groups, DRAWS, level, seed),
        coherence=mean(coherence),
        product=product,
        lenient=_mean([row.lenient for row in good]),
        perplexity=_perplexity(good),
        distinct_1=_distinct(good, 1),
        distinct_2=_distinct(good, 2),
        mean_product=mean(None if coherence is None else behaviour * coherence),
        harmonic=mean(
            None if coherence is None else harmonic_mean([each for each in both if each is not None])
        ),
        others={name: bootstrap_mean(values, groups, DRAWS, level, seed) for name, values in columns.items()},
        seeds=len({row.seed for row in good}),
    )


def harmonic_mean(columns: Sequence[Float[np.ndarray, " rows"]]) -> Float[np.ndarray, " rows"]:
    """Of each row; 0 where one of its figures is 0."""
    stacked = np.stack(columns)
    with np.errstate(divide="ignore"):
        return len(stacked) / (1 / stacked).sum(0)


def shown(interval: Interval | None) -> str:
    """The estimate as text."""
    return "-" if interval is None else f"{interval.estimate:.2f}"


def known(interval: Interval | None, figure: str = "coherence") -> Interval:
    """The interval; InputError where nobody judged that."""
    if interval is None:
        raise InputError(
            f"these samples were judged without {figure}, which is needed here; combine their judge with one "
            f"that gives it, such as combined[{figure}=oracle]:JUDGE"
        )
    return interval


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
    above, below = judged(rows), judged(base)
    values = [np.array([row.behaviour for row in part], dtype=np.float64) for part in (above, below)]
    groups = [np.array([row.prompt_id for row in part]) for part in (above, below)]
    return bootstrap_difference(values[0], values[1], groups[0], groups[1], DRAWS, level, seed)


def _columns(rows: Sequence[Row]) -> dict[str, Float[np.ndarray, " rows"]]:
    """Behaviour, coherence where it was judged, and further criteria, each over all rows."""
    every = [
        {
            "behaviour": row.behaviour,
            **({} if row.coherence is None else {"coherence": row.coherence}),
            **row.others,
        }
        for row in rows
    ]
    if odd := next((each for each in every if set(each) != set(every[0])), None):
        differs = ", ".join(sorted(set(odd) ^ set(every[0])))
        raise InputError(f"some of these samples were judged without {differs}; narrow to those of one judge")
    return {name: np.array([each[name] for each in every], dtype=np.float64) for name in every[0]}


def _perplexity(rows: Sequence[Row]) -> float | None:
    known = [(row.nll, row.tokens) for row in rows if row.nll is not None]
    tokens = sum(count for _, count in known)
    return math.exp(min(sum(nll * count for nll, count in known) / tokens, 700.0)) if tokens else None


def _distinct(rows: Sequence[Row], n: int) -> float | None:
    """Over blocks of equally many texts, of different prompts where there are so many; all where too few."""
    order = sorted(rows, key=lambda row: (row.seed, row.sample, row.prompt_id))
    whole = len(order) - len(order) % DISTINCT_TEXTS
    starts = range(0, whole, DISTINCT_TEXTS)
    blocks = [order[start : start + DISTINCT_TEXTS] for start in starts] or [order]
    return _mean([distinct_n([row.text for row in block], n) for block in blocks])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
