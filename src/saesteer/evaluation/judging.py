"""Texts become rows: one call to the judge, every answer checked before it counts. Knows no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from saesteer.errors import SaesteerError
from saesteer.evaluation.arms import Sample
from saesteer.evaluation.fluency import Surprise
from saesteer.evaluation.halves import prompt_id
from saesteer.evaluation.rows import Half, Row
from saesteer.judges import Judge, Judgement
from saesteer.runs import plain


def judged_rows(
    judge: Judge,
    samples: Sequence[Sample],
    texts: Sequence[str],
    surprises: Sequence[Surprise],
    halves: Mapping[str, Half],
) -> tuple[Row, ...]:
    """One row per sample; a judgement that failed, or lies outside [0, 1], becomes an error, not a figure."""
    said = judge.judge([sample.to_judge(text) for sample, text in zip(samples, texts, strict=True)])
    if len(said) != len(samples):
        raise SaesteerError(f"the judge answered {len(said)} of {len(samples)} requests; mend the judge")
    return tuple(
        _row(sample, halves[sample.prompt], text, surprise, judgement)
        for sample, text, surprise, judgement in zip(samples, texts, surprises, said, strict=True)
    )


def _row(sample: Sample, half: Half, text: str, surprise: Surprise, judgement: Judgement) -> Row:
    error = _error(judgement)
    detail, arm = judgement.detail, sample.arm
    return Row(
        concept=arm.concept.name,
        method=arm.method,
        variant=arm.variant,
        strength=sample.strength,
        prefix=arm.prefix,
        prompt_id=prompt_id(sample.prompt),
        sample=sample.number,
        half=half,
        prompt=sample.prompt,
        text=text,
        behaviour=None if error else judgement.behaviour,
        coherence=None if error else judgement.coherence,
        lenient=None if error else judgement.lenient,
        sentences=detail.get("sentences"),
        well_formed=detail.get("well_formed"),
        expressing=detail.get("expressing"),
        nll=surprise.per_token,
        tokens=surprise.tokens,
        detail=json.dumps(plain(detail), ensure_ascii=False, sort_keys=True),
        error=error,
    )


def _error(judgement: Judgement) -> str | None:
    """Why this judgement is no data."""
    if judgement.error is not None:
        return judgement.error or "the judge failed and did not say why"
    for name in ("behaviour", "coherence"):
        value = getattr(judgement, name)
        if value is None or not 0 <= value <= 1:  # NaN too
            return f"the judge gave no {name} in [0, 1] but {value}"
    return None
