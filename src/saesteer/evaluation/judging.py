"""Texts become rows: one call to the judge, every answer checked before it counts. Knows no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from saesteer.errors import SaesteerError
from saesteer.evaluation.arms import Sample
from saesteer.evaluation.fluency import Surprise
from saesteer.evaluation.halves import prompt_id
from saesteer.evaluation.rows import Half, Row
from saesteer.judges import Judge, Judgement, JudgeRequest
from saesteer.runs import plain

FIGURES = ("behaviour", "coherence")


def judged_rows(
    judge: Judge,
    samples: Sequence[Sample],
    texts: Sequence[str],
    surprises: Sequence[Surprise],
    halves: Mapping[str, Half],
    seed: int = 0,
) -> tuple[Row, ...]:
    """One row per sample; a judgement that is no data becomes an error, not a figure."""
    requests = [sample.to_judge(text) for sample, text in zip(samples, texts, strict=True)]
    said = checked_judgements(judge, requests, needed=("behaviour",))
    return tuple(
        _row(sample, halves[sample.prompt], text, surprise, judgement, seed)
        for sample, text, surprise, judgement in zip(samples, texts, surprises, said, strict=True)
    )


def checked_judgements(
    judge: Judge, requests: Sequence[JudgeRequest], needed: Sequence[str] = ()
) -> list[Judgement]:
    """One call; every answer that is no data comes back as a failure that says why.

    A figure outside [0, 1] is a failure. So is one that is None though it is needed, or though the same judge
    gave it for other texts of this call; one that it gave for none is None, since nobody judged it.
    """
    said = judge.judge(requests)
    if len(said) != len(requests):
        raise SaesteerError(f"the judge answered {len(said)} of {len(requests)} requests; mend the judge")
    fine = [each for each in said if each.error is None]
    given = {name for name in FIGURES if any(getattr(each, name) is not None for each in fine)} | {*needed}
    given |= {name for each in fine for name in each.others}
    return [_checked(each, given) for each in said]


def _checked(judgement: Judgement, given: set[str]) -> Judgement:
    error = _error(judgement, given)
    return judgement if error is None else Judgement.failed(error, judgement.detail)


def _error(judgement: Judgement, given: set[str]) -> str | None:
    """Why this judgement is no data."""
    if judgement.error is not None:
        return judgement.error or "the judge failed and did not say why"
    if not given:
        return "the judge gave no figure"
    values = {**dict.fromkeys(sorted(given)), **judgement.figures}
    for name, value in values.items():
        if value is None or not 0 <= value <= 1:  # NaN too
            return f"the judge gave no {name} in [0, 1] but {value}"
    return None


def _row(sample: Sample, half: Half, text: str, surprise: Surprise, judgement: Judgement, seed: int) -> Row:
    detail, arm = judgement.detail, sample.arm
    others = {"others": dict(judgement.others)} if judgement.others else {}
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
        behaviour=judgement.behaviour,
        coherence=judgement.coherence,
        lenient=judgement.lenient,
        sentences=detail.get("sentences"),
        well_formed=detail.get("well_formed"),
        expressing=detail.get("expressing"),
        nll=surprise.per_token,
        tokens=surprise.tokens,
        detail=json.dumps(plain({**detail, **others}), ensure_ascii=False, sort_keys=True),
        error=judgement.error,
        seed=seed,
    )
