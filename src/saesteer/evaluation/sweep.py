"""Try settings: every arm x strength x prompt x sample, written in few batches and judged in one call.

Knows models, specs and the judge protocol; no method (where a spec comes from) and no particular judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saesteer.errors import InputError
from saesteer.evaluation.arms import BARE, Arm, Plan
from saesteer.evaluation.fluency import surprise
from saesteer.evaluation.judging import judged_rows
from saesteer.evaluation.result import SweepResult
from saesteer.evaluation.rows import Half, Row
from saesteer.evaluation.sampling import Progress, Writing, write_texts
from saesteer.judges import CheckingJudge, FingerprintedJudge, Judge, SpendingJudge, judge_name, open_judge
from saesteer.model import LanguageModel
from saesteer.runs import run_stage, versions
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec
from saesteer.text.concept import Concept

REVISION = 3  # raised when a sweep computes something else, so that older folders are not reused
_TEXTS = "texts.jsonl"


def evaluate(
    lm: LanguageModel,
    arms: Sequence[Arm],
    prompts: Sequence[str],
    n: int,
    judge: str | Mapping[str, Any] | Judge,
    *,
    seed: int = 0,
    max_new_tokens: int = 40,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: bool = True,
    batch: int = 256,
    only: Half | None = None,
    saes: Mapping[str, SAE] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """All arms x strengths x prompts x `n` samples, one row each; `batch` texts are written at once.

    Arms that differ in nothing but the concept share their texts: each text is judged for each of them.
    `only`: the prompts of one half alone. With `folder`, the result is kept below it (`result.folder`) and
    found there again by a call that asks for the same; a killed run goes on where it stood. That needs a
    judge with a `fingerprint()`. A judge with a `check(concept)` is asked before anything is written. One
    that was made here from a line or mapping is closed at the end.
    """
    if isinstance(prompts, str):
        raise InputError(f"prompts are a list of texts, got one text ({prompts[:40]!r}); put it in a list")
    writing = Writing(max_new_tokens, temperature, top_k, top_p, stop)
    plan = Plan(tuple(arms), tuple(prompts), n, seed, writing, batch, only)
    with open_judge(judge) as reader:
        _check(reader, plan, kept=folder is not None)
        asked = {
            "model": lm.fingerprint(),
            "arithmetic": lm.arithmetic,
            "judge": judge if isinstance(judge, str) else judge_name(reader),
            "judge_fingerprint": reader.fingerprint() if isinstance(reader, FingerprintedJudge) else None,
            "saes": {name: sae.fingerprint() for name, sae in (saes or {}).items()},
            **plan.record(),
        }
        provenance = {**asked, "seed": seed, "versions": versions()}
        if folder is None:
            return SweepResult(_rows(lm, plan, reader, saes, None, progress), provenance | _spent(reader))

        def work(place: Path) -> None:
            rows = _rows(lm, plan, reader, saes, place / _TEXTS, progress)
            SweepResult(rows, provenance | _spent(reader)).save(place)
            (place / _TEXTS).unlink()

        # Versions are recorded and not asked for: a newer torch does not throw results away.
        inputs = {"model": lm.fingerprint()}
        made = run_stage(folder, "sweep", work, inputs=inputs, config=asked, seed=seed, revision=REVISION)
    return SweepResult.load(made)


def sweep(
    lm: LanguageModel,
    spec: SteeringSpec | Mapping[str, SteeringSpec] | None,
    concept: Concept,
    strengths: Sequence[float],
    prompts: Sequence[str],
    n: int,
    judge: str | Judge,
    seed: int = 0,
    max_new_tokens: int = 40,
    *,
    method: str = "steering",
    **options: Any,
) -> SweepResult:
    """One concept and method: a spec, or candidates by name, at all `strengths`; options of `evaluate`."""
    specs = spec if isinstance(spec, Mapping) else {"": spec}
    arms = [Arm(concept, method, each, tuple(strengths), name) for name, each in specs.items()]
    return evaluate(lm, arms, prompts, n, judge, seed=seed, max_new_tokens=max_new_tokens, **options)


def sweep_prefixes(
    lm: LanguageModel,
    concept: Concept,
    prompts: Sequence[str],
    n: int,
    judge: str | Judge,
    seed: int = 0,
    max_new_tokens: int = 40,
    *,
    prefixes: Sequence[str] | None = None,
    method: str = "prompting",
    **options: Any,
) -> SweepResult:
    """Prompting: the concept's prefixes (or these) instead of strengths; options of `evaluate`."""
    templates = concept.prefixes if prefixes is None else tuple(prefixes)
    if not templates:
        raise InputError(f"concept {concept.name!r} has no prefixes; give some, such as 'A wedding. {BARE}'")
    arms = [Arm(concept, method, variant=each, prefix=each) for each in templates]
    return evaluate(lm, arms, prompts, n, judge, seed=seed, max_new_tokens=max_new_tokens, **options)


def baseline(
    lm: LanguageModel,
    concepts: Concept | Sequence[Concept],
    prompts: Sequence[str],
    n: int,
    judge: str | Judge,
    seed: int = 0,
    max_new_tokens: int = 40,
    **options: Any,
) -> SweepResult:
    """The model as it is: texts written once and judged for every concept; options of `evaluate`."""
    every = [concepts] if isinstance(concepts, Concept) else list(concepts)
    arms = [Arm(concept, "base") for concept in every]
    return evaluate(lm, arms, prompts, n, judge, seed=seed, max_new_tokens=max_new_tokens, **options)


def _check(judge: Judge, plan: Plan, kept: bool) -> None:
    """InputError where this judge cannot judge these concepts, or its rows could not be told from others'."""
    if kept and not isinstance(judge, FingerprintedJudge):
        raise InputError(
            f"a kept sweep is found again by what its judge is, and {type(judge).__qualname__} has no "
            "fingerprint(); add one that returns a hash of its settings, or leave out folder"
        )
    if isinstance(judge, CheckingJudge):
        for arm in plan.arms:
            judge.check(arm.concept)


def _spent(judge: Judge) -> dict[str, Any]:
    """What the judge has cost, where it costs."""
    return {"judge_spent": judge.spent} if isinstance(judge, SpendingJudge) else {}


def _rows(
    lm: LanguageModel,
    plan: Plan,
    judge: Judge,
    saes: Mapping[str, SAE] | None,
    journal: Path | None,
    progress: Progress | None,
) -> tuple[Row, ...]:
    samples = list(plan.samples())
    unique = {sample.key: sample for sample in samples}
    requests = [sample.request() for sample in unique.values()]
    written = write_texts(lm, requests, plan.writing, plan.seed, plan.batch, saes, journal, progress)
    # After the bare prompt also where a prefix stood: how odd is the text to a reader who saw no prefix?
    surprises = surprise(lm, written, [sample.prompt for sample in unique.values()], plan.batch)
    texts = dict(zip(unique, zip(written, surprises, strict=True), strict=True))
    made = [texts[sample.key] for sample in samples]
    written, surprises = [text for text, _ in made], [each for _, each in made]
    return judged_rows(judge, samples, written, surprises, plan.halves, plan.seed)
