"""What a run of explaining and scoring came to: figures per scorer, failures, cost. Knows no drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from saesteer.examples import Interpretation, LatentId
from saesteer.llms.client import NOTHING, Usage, total
from saesteer.report.score_answers import Roc, draws, roc
from saesteer.report.score_columns import Column, columns
from saesteer.statistics import Interval, bootstrap_mean, bootstrap_weights


@dataclass(frozen=True)
class ScorerSummary:
    """One column of scores in numbers; intervals are over latents."""

    scorer: str
    explainer: str | None
    label: str
    headline: str
    """Which figure median and mean are of."""
    latents: int
    """That have a value."""
    without: int
    """That were scored and have none."""
    median: float | None
    mean: Interval | None
    f1: Interval | None
    """Mean over latents."""
    weighted_f1: Mapping[str, Interval]
    """SAE -> mean over its latents, each as often as it fires."""
    roc: Roc | None
    answers: int
    unread: int
    """Answers that could not be had or read; they are in no figure."""
    usage: Usage = field(default=NOTHING)


@dataclass(frozen=True)
class FailureCount:
    """How often something failed in one way."""

    stage: str
    name: str
    """Of the explainer or scorer."""
    kind: str
    count: int
    message: str
    """Of the first."""
    latent: LatentId


@dataclass(frozen=True)
class Cost:
    """What one explainer or scorer asked for."""

    stage: str
    name: str
    usage: Usage


def score_summary(interpretation: Interpretation) -> tuple[ScorerSummary, ...]:
    """One row per scorer, and per explainer where there are several; empty without scores."""
    return tuple(summary_of(each, interpretation) for each in columns(interpretation))


def summary_of(column: Column, interpretation: Interpretation) -> ScorerSummary:
    """One column in numbers."""
    values, scores = list(column.values.values()), column.scores.values()
    return ScorerSummary(
        scorer=column.scorer,
        explainer=column.explainer,
        label=column.label,
        headline=column.headline,
        latents=len(values),
        without=len(scores) - len(values),
        median=float(np.median(values)) if values else None,
        mean=mean(values),
        f1=mean(list(column.figure("f1").values())),
        weighted_f1=weighted_f1(column, interpretation),
        roc=roc(column),
        answers=sum(len(each.rows) for each in scores),
        unread=sum(len(each.failures) for each in scores),
        usage=total([each.usage for each in scores]),
    )


def mean(values: list[float]) -> Interval | None:
    """With its interval over latents."""
    return bootstrap_mean(np.array(values), n=draws(len(values))) if values else None


def weighted_f1(column: Column, interpretation: Interpretation) -> dict[str, Interval]:
    """Per SAE; latents of which the cache says nothing, or that never fire, have no weight."""
    found: dict[str, list[tuple[float, float]]] = {}
    for latent, value in column.figure("f1").items():
        known = interpretation.latents.get(latent)
        if known is not None and known.density > 0:
            found.setdefault(latent.sae, []).append((known.density, value))
    return {sae: _weighted(*map(np.array, zip(*pairs, strict=True))) for sae, pairs in found.items()}


def failures(interpretation: Interpretation) -> tuple[FailureCount, ...]:
    """Counted by stage, name and kind; most first."""
    found: dict[tuple[str, str, str], list[tuple[str, LatentId]]] = {}
    for each in interpretation.explanations:
        if each.failure is not None:
            key = ("explain", each.explainer, each.failure.kind)
            found.setdefault(key, []).append((each.failure.message, each.latent))
    for score in interpretation.scores:
        for failure in score.failures:
            key = ("score", score.scorer, failure.kind)
            found.setdefault(key, []).append((failure.message, score.latent))
    rows = (FailureCount(*key, len(each), *each[0]) for key, each in found.items())
    return tuple(sorted(rows, key=lambda row: -row.count))


def costs(interpretation: Interpretation) -> tuple[Cost, ...]:
    """Of every explainer and scorer, in the order in which they appear."""
    found: dict[tuple[str, str], list[Usage]] = {}
    for each in interpretation.explanations:
        found.setdefault(("explain", each.explainer), []).append(each.usage)
    for score in interpretation.scores:
        found.setdefault(("score", score.scorer), []).append(score.usage)
    return tuple(Cost(*key, total(usages)) for key, usages in found.items())


def _weighted(weights: Float[np.ndarray, " latents"], values: Float[np.ndarray, " latents"]) -> Interval:
    def share(drawn: Float[np.ndarray, "draws latents"]) -> Float[np.ndarray, "draws 1"]:
        return ((drawn @ (weights * values)) / (drawn @ weights))[:, None]

    return bootstrap_weights(share, np.zeros(len(values), int), draws(len(values)))[0]
