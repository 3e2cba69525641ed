"""Separation, effect size, intervals, tests and corrections of samples. Knows numpy and scipy, no model.

"Columns" are many variables over the same rows (latents over tokens): an array `[rows, columns]`, or a scipy
sparse one, which is never made dense; a single variable `[rows]` gives a result without columns. `positive`
says which rows are of the positive class.

Bootstrap intervals are percentile intervals expanded for few groups (Hesterberg 2015, "What teachers should
know about the bootstrap"). Draws of G groups are too close to their estimate, by sqrt((G - 1) / G), and know
nothing of the doubt about their spread, so the ends are taken further out: at Phi(-t sqrt(G / (G - 1))), with
t the quantile of the t distribution of G - 1 degrees of freedom. The ends stay means (or ratios) of groups
that were seen, so they never leave what is possible. How often 95 % intervals held the truth (1,000 simulated
sets of 6 rows a group, groups unlike each other; shares: 0 or 1, skewed: exponential times log-normal; top
mean 0.5, bottom mean 0.25), without and with the expansion:

    groups            8               16               40
    shares, mean      0.908 0.944    0.938 0.961    0.939 0.949
    shares, ratio     0.913 0.966    0.933 0.961    0.941 0.952
    shares, gap       0.925 0.971    0.947 0.968    0.947 0.955
    skewed, mean      0.838 0.899    0.893 0.922    0.923 0.926
    skewed, ratio     0.904 0.961    0.926 0.951    0.925 0.939
    skewed, gap       0.878 0.943    0.906 0.934    0.921 0.928

The product of two such means held 0.927 with 8 groups. What still misses for skewed values is the upper end;
the lower end lay below the truth in at least 0.963 of the sets of every cell (0.975 would be exact). With
fewer than 5 groups the interval is about the range of the groups, which covers less (4 groups: at most 0.88),
and with one group it is a point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.special import ndtr, stdtrit

from saesteer.errors import InputError

Columns = Any  # Float[np.ndarray, "rows columns"] | Float[np.ndarray, " rows"] | scipy sparse [rows, columns]
Alternative = Literal["two-sided", "greater", "less"]

_BLOCK = 1 << 22  # numbers held at once


@dataclass(frozen=True)
class Interval:
    """An estimate between the ends of its bootstrap interval, expanded for few groups (see the module)."""

    low: float
    estimate: float
    high: float
    level: float


def auroc(scores: Columns, positive: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " columns"]:
    """The chance that a positive row scores above a negative one, ties counted half."""
    return _by_block(scores, positive, lambda block, labels: _ranks(block, labels)[0])


def mann_whitney(
    scores: Columns, positive: Bool[np.ndarray, " rows"], alternative: Alternative = "two-sided"
) -> Float[np.ndarray, " columns"]:
    """p-values of the Mann-Whitney test, normal approximation with tie and continuity correction."""
    _check_alternative(alternative)
    return _by_block(scores, positive, lambda block, labels: _mann_whitney(block, labels, alternative))


def cohen_d(scores: Columns, positive: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " columns"]:
    """Difference of the class means over the pooled standard deviation; 0 where the means are equal."""
    return _by_block(scores, positive, _cohen_d)


def permutation_test(
    scores: Columns,
    positive: Bool[np.ndarray, " rows"],
    n: int = 999,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> Float[np.ndarray, " columns"]:
    """p-values of the gap of class means under `n` permutations of the labels, the observed one counted."""
    _check_alternative(alternative)
    labels = _labels(positive)
    rng = np.random.default_rng(seed)
    shuffled = np.stack([labels] + [rng.permutation(labels) for _ in range(n)]).astype(float)
    return _by_block(scores, positive, lambda block, _: _permutation(block, shuffled, alternative))


def sign_flip_test(
    differences: Float[np.ndarray, " pairs"],
    n: int = 999,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> float:
    """p-value of the mean of paired differences under flips of their signs.

    All flips where there are at most `n` of them, which is exact; else `n` drawn ones and the observed one.
    """
    _check_alternative(alternative)
    values = numbers(differences, "differences")
    if 2 ** len(values) <= n:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
        sums = signs @ values  # the first is the observed one
    else:
        rng = np.random.default_rng(seed)
        sums = np.concatenate([[values.sum()], _signs(rng, n, len(values)) @ values])
    return float(_tail(sums[:, None], alternative)[0])


def bootstrap_mean(
    values: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    n: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean with its interval; with `groups`, whole groups are drawn (rows of one prompt)."""
    rng = np.random.default_rng(seed)
    sample = _grouped(values, groups)
    return _interval(_resampled_means(sample, n, rng), _mean(sample), len(sample.counts), level)


def bootstrap_product(
    one: Float[np.ndarray, " rows"],
    other: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    n: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """mean(one) * mean(other) of two columns of the same rows; the same rows are drawn for both."""
    first, second = _grouped(one, groups), _grouped(other, groups)
    if len(one) != len(other):
        raise InputError(f"one column has {len(one)} rows, the other {len(other)}; give the same rows")
    draws = _resampled_means(first, n, np.random.default_rng(seed))
    draws = draws * _resampled_means(second, n, np.random.default_rng(seed))
    return _interval(draws, _mean(first) * _mean(second), len(first.counts), level)


def bootstrap_difference(
    top: Float[np.ndarray, " rows"],
    bottom: Float[np.ndarray, " others"],
    top_groups: Int[np.ndarray, " rows"] | None = None,
    bottom_groups: Int[np.ndarray, " others"] | None = None,
    n: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """mean(top) - mean(bottom) of two independent samples; the smaller number of groups decides."""
    rng = np.random.default_rng(seed)
    above, below = _grouped(top, top_groups), _grouped(bottom, bottom_groups)
    draws = _resampled_means(above, n, rng) - _resampled_means(below, n, rng)
    return _interval(draws, _mean(above) - _mean(below), _fewer(above, below), level)


def bootstrap_ratio(
    top: Float[np.ndarray, " rows"],
    bottom: Float[np.ndarray, " others"],
    top_groups: Int[np.ndarray, " rows"] | None = None,
    bottom_groups: Int[np.ndarray, " others"] | None = None,
    n: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """mean(top) / mean(bottom) of two independent samples; a draw of 0 / 0 widens the interval both ways, but
    not below 0 where no value is.
    """
    rng = np.random.default_rng(seed)
    above, below = _grouped(top, top_groups), _grouped(bottom, bottom_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = _resampled_means(above, n, rng) / _resampled_means(below, n, rng)
        found = _interval(draws, _mean(above) / _mean(below), _fewer(above, below), level)
    return found if min(np.min(top), np.min(bottom)) < 0 else replace(found, low=max(0.0, found.low))


def bootstrap_weights(
    statistic: Callable[[Float[np.ndarray, "draws rows"]], Float[np.ndarray, "draws figures"]],
    strata: Int[np.ndarray, " rows"] | Bool[np.ndarray, " rows"],
    n: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Intervals of any figures of rows that are drawn anew within their stratum, as often as there are.

    `statistic`: how often each row was drawn, per draw -> the figures. The smallest stratum decides how far
    out the ends are.
    """
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(np.asarray(strata) == each) for each in np.unique(strata)]
    rows = len(strata)
    estimate = statistic(np.ones((1, rows)))[0]
    found = []
    for start in range(0, n, step := max(1, _BLOCK // rows)):
        weights = np.zeros((min(step, n - start), rows))
        for kind in kinds:
            weights[:, kind] = rng.multinomial(len(kind), [1 / len(kind)] * len(kind), len(weights))
        found.append(statistic(weights))
    draws, groups = np.concatenate(found), min(map(len, kinds))
    return tuple(_interval(draw, each, groups, level) for draw, each in zip(draws.T, estimate, strict=True))


def bootstrap_ends(
    draws: Float[np.ndarray, "draws columns"], groups: Int[np.ndarray, " columns"], level: float = 0.95
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " columns"]]:
    """Low and high ends of many figures that were drawn together, each of its own number of groups.

    NaN: a draw from which the figure did not follow; it counts as below and as above all others, so that an
    end is infinite where there are too many of them.
    """
    n = len(draws)
    tail = np.array([_tail_share(each, level) for each in range(int(groups.max(initial=0)) + 1)])[groups]
    ordered, missing = np.sort(draws, axis=0), np.isnan(draws).sum(axis=0)  # NaN sorts last
    low = np.floor(tail * (n - 1)).astype(int) - missing
    high = np.ceil((1 - tail) * (n - 1)).astype(int)
    columns = np.arange(draws.shape[1])
    bottom = np.where(low >= 0, ordered[low.clip(min=0), columns], -np.inf)
    return bottom, np.where(high < n - missing, ordered[high, columns], np.inf)


def holm(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """p-values adjusted for the chance of any false finding (Holm 1979)."""
    values = _p_values(p)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return _restored(stepped, order)


def benjamini_hochberg(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """p-values adjusted for the share of false findings (Benjamini and Hochberg 1995)."""
    values = _p_values(p)
    order = np.argsort(values, kind="stable")
    raised = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _restored(np.minimum.accumulate(raised[::-1])[::-1], order)


def _by_block(scores: Columns, positive: Any, statistic: Any) -> Float[np.ndarray, " columns"]:
    """`statistic(block, labels)` over sparse blocks of columns; zeros are never ranked one by one."""
    labels = _labels(positive)
    flat = not sparse.issparse(scores) and np.ndim(scores) == 1
    columns = np.asarray(scores)[:, None] if flat else scores
    if len(columns.shape) != 2 or columns.shape[0] != len(labels):
        raise InputError(f"scores are {columns.shape}, labels are {labels.shape}; give one label per row")
    found = [statistic(block, labels) for block in _blocks(columns)]
    joined = np.concatenate(found) if found else np.empty(0)
    return joined[0] if flat else joined


def _blocks(columns: Columns) -> Iterator[sparse.csc_array]:
    if sparse.issparse(columns):
        yield _clean(sparse.csc_array(columns, copy=True))
        return
    rows, width = columns.shape
    step = max(1, _BLOCK // max(1, rows))
    for start in range(0, width, step):
        yield _clean(sparse.csc_array(np.asarray(columns[:, start : start + step], dtype=np.float64)))


def _clean(block: sparse.csc_array) -> sparse.csc_array:
    block.sum_duplicates()
    block.eliminate_zeros()
    block = block.astype(np.float64)
    if np.isnan(block.data).any():
        raise InputError("scores hold NaN, which has no rank; drop those rows or mend what made them")
    return block


def _ranks(
    block: sparse.csc_array, labels: Bool[np.ndarray, " rows"]
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " columns"]]:
    """Per column the AUROC and the tie term, the sum of t^3 - t over groups of t equal values."""
    rows, width = block.shape
    stored = np.diff(block.indptr)
    column = np.repeat(np.arange(width), stored)
    order = np.lexsort((block.data, column))  # the column stays the major key
    value, sign = block.data[order], labels[block.indices[order]]
    zeros = rows - stored
    below = np.bincount(column, weights=value < 0, minlength=width)  # ranks that lie under the zeros

    new = (value[1:] != value[:-1]) | (column[1:] != column[:-1])  # infinities have no difference
    starts = np.flatnonzero(np.r_[True, new][: len(value)])
    ties = np.diff(np.r_[starts, len(value)])
    first = starts - block.indptr[column[starts]]  # place of the tie group in its own column
    rank = np.repeat(first + (ties + 1) / 2, ties) + np.where(value > 0, zeros[column], 0)

    n_positive = labels.sum()
    of_zeros = (n_positive - np.bincount(column, weights=sign, minlength=width)) * (below + (zeros + 1) / 2)
    u = (
        np.bincount(column, weights=rank * sign, minlength=width)
        + of_zeros
        - n_positive * (n_positive + 1) / 2
    )
    cubes = np.bincount(column[starts], weights=ties.astype(float) ** 3 - ties, minlength=width)
    return u / (n_positive * (rows - n_positive)), cubes + zeros.astype(float) ** 3 - zeros


def _mann_whitney(
    block: sparse.csc_array, labels: Bool[np.ndarray, " rows"], alternative: Alternative
) -> Float[np.ndarray, " columns"]:
    area, ties = _ranks(block, labels)
    rows, pairs = len(labels), float(labels.sum()) * float((~labels).sum())
    spread = np.sqrt(pairs / 12 * (rows + 1 - ties / (rows * (rows - 1))))
    shift = (area - 0.5) * pairs
    if alternative == "two-sided":
        shift = np.abs(shift)
    elif alternative == "less":
        shift = -shift
    with np.errstate(divide="ignore", invalid="ignore"):
        p = ndtr(-(shift - 0.5) / spread) * (2 if alternative == "two-sided" else 1)
    return np.where(spread > 0, np.minimum(p, 1), 1.0)  # one constant: nothing to find


def _cohen_d(block: sparse.csc_array, labels: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " columns"]:
    (mean, square), (other, other_square) = _moments(block, labels), _moments(block, ~labels)
    pooled = np.sqrt((square + other_square) / max(len(labels) - 2, 1))
    gap = mean - other
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, gap / pooled)


def _moments(
    block: sparse.csc_array, rows: Bool[np.ndarray, " rows"]
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " columns"]]:
    """Mean and sum of squared deviations, in two passes: squares of sums lose digits."""
    width = block.shape[1]
    column = np.repeat(np.arange(width), np.diff(block.indptr))
    chosen = rows[block.indices]
    count = rows.sum()
    mean = np.bincount(column, weights=block.data * chosen, minlength=width) / count
    zeros = count - np.bincount(column, weights=chosen, minlength=width)
    deviations = np.bincount(column, weights=(block.data - mean[column]) ** 2 * chosen, minlength=width)
    return mean, deviations + zeros * mean**2


def _permutation(
    block: sparse.csc_array, shuffled: Float[np.ndarray, "draws rows"], alternative: Alternative
) -> Float[np.ndarray, " columns"]:
    rows, n_positive = shuffled.shape[1], shuffled[0].sum()
    sums = np.asarray((block.T @ shuffled.T).T)
    # The gap of the means is linear in the sum over the positives.
    total = block.sum(axis=0)
    return _tail(sums / n_positive - (total - sums) / (rows - n_positive), alternative)


def _tail(
    draws: Float[np.ndarray, "draws columns"], alternative: Alternative
) -> Float[np.ndarray, " columns"]:
    """The share of draws at least as extreme as the first, which is the observed one."""
    if alternative == "two-sided":
        draws = np.abs(draws)
    elif alternative == "less":
        draws = -draws
    slack = 1e-12 * np.maximum(1e-300, np.abs(draws).max(axis=0))  # equal up to the order of the sum
    return (draws >= draws[0] - slack).mean(axis=0)


def _signs(rng: np.random.Generator, n: int, length: int) -> Float[np.ndarray, "n length"]:
    return rng.integers(0, 2, (n, length)) * 2.0 - 1.0


@dataclass(frozen=True)
class _Sample:
    """Sum and number of values per group."""

    totals: Float[np.ndarray, " groups"]
    counts: Float[np.ndarray, " groups"]


def _grouped(values: Any, groups: Any) -> _Sample:
    """The values by group; without groups every row is one."""
    found = numbers(values, "values")
    if groups is None:
        return _Sample(found, np.ones(len(found)))
    if len(groups) != len(found):
        raise InputError(f"{len(found)} values have {len(groups)} groups; give one group per value")
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    return _Sample(np.bincount(index, weights=found), np.bincount(index).astype(float))


def _mean(sample: _Sample) -> np.float64:
    return np.float64(sample.totals.sum() / sample.counts.sum())


def _fewer(one: _Sample, other: _Sample) -> int:
    """The smaller number of groups; a sample of one group has no spread and no say."""
    sizes = len(one.counts), len(other.counts)
    return min(sizes) if min(sizes) > 1 else max(sizes)


def _resampled_means(sample: _Sample, n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    size = len(sample.totals)
    means = np.empty(n)
    step = max(1, _BLOCK // size)
    for start in range(0, n, step):
        drawn = rng.integers(0, size, (min(step, n - start), size))
        means[start : start + step] = sample.totals[drawn].sum(axis=1) / sample.counts[drawn].sum(axis=1)
    return means


def _interval(draws: Float[np.ndarray, " n"], estimate: float, groups: int, level: float) -> Interval:
    if not 0 < level < 1:
        raise InputError(f"an interval's level lies between 0 and 1, got {level}; say 0.95")
    tail = _tail_share(groups, level)
    # Draws themselves, not points between them: between a number and infinity there is none.
    low = np.quantile(np.where(np.isnan(draws), -np.inf, draws), tail, method="lower")
    high = np.quantile(np.where(np.isnan(draws), np.inf, draws), 1 - tail, method="higher")
    return Interval(float(low), float(estimate), float(high), level)


def _tail_share(groups: int, level: float) -> float:
    """The share of draws beyond either end; (1 - level) / 2 for many groups, less for few."""
    if groups < 2:
        return (1 - level) / 2
    t = stdtrit(groups - 1, (1 + level) / 2)
    return float(ndtr(-t * np.sqrt(groups / (groups - 1))))


def _labels(positive: Any) -> Bool[np.ndarray, " rows"]:
    labels = np.asarray(positive)
    if labels.dtype != bool or labels.ndim != 1:
        raise InputError(f"labels are one bool per row, got {labels.dtype} {labels.shape}; compare first")
    if labels.all() or not labels.any():
        raise InputError(f"all {len(labels)} rows are of one class; give positive and negative rows")
    return labels


def numbers(values: Any, noun: str) -> Float[np.ndarray, " rows"]:
    """A row of finite numbers, at least one."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise InputError(f"{noun} are a row of numbers, got shape {found.shape}; give at least one")
    if not np.isfinite(found).all():
        raise InputError(f"{noun} hold NaN or infinity; drop those rows")
    return found


def _p_values(p: Any) -> Float[np.ndarray, " tests"]:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise InputError("p-values are a row of numbers from 0 to 1; one is not")
    return values


def _restored(sorted_p: Float[np.ndarray, " tests"], order: Int[np.ndarray, " tests"]) -> Any:
    adjusted = np.empty_like(sorted_p)
    adjusted[order] = np.minimum(sorted_p, 1)
    return adjusted


def _check_alternative(alternative: str) -> None:
    if alternative not in {"two-sided", "greater", "less"}:
        raise InputError(f"an alternative is two-sided, greater or less, got {alternative!r}")
