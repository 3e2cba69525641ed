"""The strength that brings a concept out most within a budget: nets of probes, each one batch, then a choice.

1. A scan on fixed texts finds the scale, without a judge: from where nothing changes to where all breaks.
2. Limits that fixed texts can tell are found there by bracketing; no strength beyond them is ever chosen.
3. A first net of strengths at even steps of KL is written and judged, on the selection half of the prompts.
4. Further nets lie where coherence crosses its limit and around the best behaviour.
5. The best few are written again, as the best of many is best partly by chance.
6. The best strength within the budget is chosen and measured again on the test half, which must confirm it.

Knows evaluation and what a budget is; no method.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from saesteer.calibration.budget import Budget, costs
from saesteer.calibration.choosing import (
    argmax_interval,
    finalists,
    limit_interval,
    next_net,
    points_of,
    renumbered,
    window,
)
from saesteer.calibration.presence import held_saes
from saesteer.calibration.probing import INERT, METHOD, Probe, first_net, largest, scan
from saesteer.calibration.prompts import default_prompts
from saesteer.calibration.result import Calibration, Point, Verdict
from saesteer.calibration.verdict import by_chance, doubts, why_none, works
from saesteer.errors import InputError
from saesteer.evaluation import Outcome, Row, Setting, SweepResult, figures, report
from saesteer.judges import FingerprintedJudge, Judge, open_judge
from saesteer.model import LanguageModel
from saesteer.runs import digest, versions
from saesteer.saes import SAE
from saesteer.statistics import Interval
from saesteer.steering import SteeringSpec, resolve_strength
from saesteer.steering.strength import CALIBRATED
from saesteer.text import load_concept
from saesteer.text.concept import Concept

Goal = Literal["raise", "lower"]
Progress = Callable[[str, int, int], None]
"""What is being done, samples done, samples in all."""
TEXTS = 8  # of the concept's negative ones, for distances


class NoStrengthWorks(UserWarning):
    """A calibration found no strength; its verdict says why."""


@dataclass(frozen=True)
class _Asked:
    budget: Budget
    goal: Goal
    rounds: int
    test_n: int


def calibrate(
    lm: LanguageModel,
    spec: SteeringSpec,
    concept: Concept | str,
    judge: str | Judge | None = None,
    budget: Budget | Mapping[str, float] | None = None,
    *,
    prompts: Sequence[str] | None = None,
    n: int = 6,
    test_n: int | None = None,
    rounds: int = 2,
    sign: int = 1,
    goal: Goal | None = None,
    texts: Sequence[str] | None = None,
    saes: Mapping[str, SAE] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Calibration:
    """The strength of `spec`, in its own unit, with the most (or least) of `concept` within `budget`.

    `budget`: limits by name (see `Budget`), all of which hold at once; with a judge coherence 0.8 by default.
    `judge`: None: the largest strength within the budget, which then needs a limit that fixed texts tell.
    `prompts`: what is continued; one half chooses, the other reports. `n`, `test_n` (twice n): texts per
    prompt and strength. `rounds`: nets after the first. `sign`: of the strengths tried. `goal`: "raise" or
    "lower" the concept; by default as the sign. `texts`: fixed texts for distances (default: the concept's
    negative ones). `folder`: where samples are kept, found again by an equal call and resumed after a kill.
    `options`: of `evaluation.evaluate`.

    Where no strength works, `.verdict` says why, `.spec` is switched off, and NoStrengthWorks is warned.
    """
    concept = load_concept(concept)
    limits = Budget.of({"coherence": 0.8} if budget is None and judge is not None else budget or {})
    _check(spec, judge, limits, sign, goal, n, rounds)
    held = held_saes(lm, spec, saes)
    spec = _tunable(lm, spec, concept, held)
    chosen_prompts = tuple(default_prompts(lm) if prompts is None else prompts)
    probe = Probe(
        lm=lm,
        spec=spec,
        concept=concept,
        judge=judge,
        prompts=chosen_prompts,
        texts=tuple(texts if texts is not None else concept.negative[:TEXTS]),
        n=n,
        seed=seed,
        sign=sign,
        saes=held,
        folder=None if folder is None else Path(folder),
        options=options,
        progress=progress,
    )
    asked = _Asked(limits, goal or ("lower" if sign < 0 else "raise"), rounds, test_n or 2 * n)
    found = _calibrated(probe, asked)
    if not found.verdict.works:
        warnings.warn(f"no strength works: {found.verdict.reason}", NoStrengthWorks, stacklevel=2)
    return found


def _calibrated(probe: Probe, asked: _Asked) -> Calibration:
    seen = scan(probe)
    kls = [each.kl for each in probe.distance(seen)]
    if max(kls) < INERT:
        reason = (
            f"the direction does nothing: up to {seen[-1]:.3g} the next-token distributions stay as they are "
            f"(KL {max(kls):.1g} per token); check the hookpoint and where it acts"
        )
        return _answer(
            probe, asked, Verdict("inert", reason), points_of(probe, asked.budget, {}, (), asked.goal)
        )
    limit = largest(probe, asked.budget, seen)
    if limit is None:
        over = ", ".join(asked.budget.broken(probe.distance(seen[:1])[0], None))
        reason = (
            f"even the smallest strengths, far under {seen[0]:.3g}, break the budget of {over}; allow more"
        )
        return _answer(
            probe, asked, Verdict("budget", reason), points_of(probe, asked.budget, {}, (), asked.goal)
        )
    if probe.judge is None:
        return _unjudged(probe, asked, seen, limit)
    return _judged(probe, asked, first_net(probe, seen, limit if limit < float("inf") else None))


def _judged(probe: Probe, asked: _Asked, net: list[float]) -> Calibration:
    """Nets of judged texts, a choice on the selection half, and a report on the other."""
    base = probe.base(asked.test_n)
    written = probe.write("the first net", net, probe.n, "selection")
    points = points_of(probe, asked.budget, written, base, asked.goal)
    for step in range(asked.rounds):
        if not (new := next_net(points, asked.goal)):
            break
        written |= probe.write(f"net {step + 2}", new, probe.n, "selection", seed=step + 2)
        points = points_of(probe, asked.budget, written, base, asked.goal)
    if best := finalists(points, asked.goal):
        again = probe.write("the best again", best, 2 * probe.n, "selection", seed=1)
        written |= {each: (*written[each], *renumbered(again[each], probe.n)) for each in best}
        points = points_of(probe, asked.budget, written, base, asked.goal)
    every = (*base, *(row for rows in written.values() for row in rows))
    safe = [each for each in points if each.safe]
    if not safe:
        verdict = why_none(probe, asked.budget, points, base, written, asked.goal)
        return _answer(probe, asked, verdict, points, base=base, rows=every)
    strength = argmax_interval(points, written, asked.budget, asked.goal, probe.seed)
    tested = probe.write("the chosen strength", [abs(strength.estimate)], asked.test_n, "test", seed=1)
    rows = tuple(row for part in tested.values() for row in part)
    outcome = _outcome(probe, rows, strength.estimate, base)
    chance = by_chance(points, strength.estimate, outcome, asked.goal)
    if chance is not None:
        return _answer(probe, asked, chance, points, None, outcome, base, (*every, *rows))
    verdict = works(points, strength.estimate, base)
    return _answer(probe, asked, verdict, points, strength, outcome, base, (*every, *rows))


def _unjudged(probe: Probe, asked: _Asked, seen: Sequence[float], limit: float) -> Calibration:
    """The largest strength within a budget that needs no judge."""
    chosen = limit if limit < float("inf") else seen[-1]
    probe.distance([chosen])
    points = points_of(probe, asked.budget, {}, (), asked.goal)
    strength = limit_interval(probe, asked.budget, chosen)
    told = ", ".join(f"{name} {value:.3g}" for name, value in _used(probe, asked.budget, chosen).items())
    reason = f"the largest strength within the budget ({told}); nobody judged what it writes"
    moved = [each.strength for each in points if each.kl.estimate >= INERT and not each.broken]
    found = _answer(probe, asked, Verdict("unjudged", reason), points, strength)
    if moved:
        return replace(found, window=(moved[0], strength.estimate))
    nothing = f"the model hardly moves within this budget (KL under {INERT:g}): allow more"
    return replace(found, warnings=(*found.warnings, nothing))


def _answer(
    probe: Probe,
    asked: _Asked,
    verdict: Verdict,
    points: tuple[Point, ...],
    strength: Interval | None = None,
    outcome: Outcome | None = None,
    base: tuple[Row, ...] = (),
    rows: tuple[Row, ...] = (),
) -> Calibration:
    value = 0.0 if strength is None else strength.estimate
    provenance = _provenance(probe, asked)
    noted = {"calibrated": {**provenance, "verdict": verdict.kind, "strength": strength}}
    spec = replace(probe.spec.with_strength(value), provenance={**probe.spec.provenance, **noted})
    return Calibration(
        spec=spec,
        strength=strength,
        unit=probe.spec.interventions[0].strength.unit,
        verdict=verdict,
        curve=points,
        window=None if strength is None or not rows else window(points, strength.estimate),
        base=figures(base) if base else None,
        outcome=outcome,
        warnings=doubts(probe, asked.budget, points, strength, outcome, rows),
        rows=rows,
        provenance=provenance,
    )


def _outcome(probe: Probe, rows: tuple[Row, ...], strength: float, base: tuple[Row, ...]) -> Outcome | None:
    if not any(row.ok for row in rows):
        return None  # one prompt has no other half
    return report(SweepResult(rows, {}), Setting(probe.concept.name, METHOD, "", strength), base)


def _used(probe: Probe, budget: Budget, magnitude: float) -> dict[str, float]:
    found = costs(probe.distance([magnitude])[0])
    return {name: found[name] for name in budget.limits}


def _provenance(probe: Probe, asked: _Asked) -> dict[str, Any]:
    judge = probe.judge
    fingerprint = None
    if judge is not None:
        with open_judge(judge) as reader:
            fingerprint = reader.fingerprint() if isinstance(reader, FingerprintedJudge) else None
    return {
        "model": probe.lm.fingerprint(),
        "arithmetic": probe.lm.arithmetic,
        "spec": probe.spec.with_strength(1.0).fingerprint(),
        "concept": probe.concept.name,
        "concept_sha256": digest(probe.concept),
        "judge": judge if isinstance(judge, str) or judge is None else type(judge).__qualname__,
        "judge_fingerprint": fingerprint,
        "budget": asked.budget.limits,
        "goal": asked.goal,
        "sign": probe.sign,
        "prompts": len(probe.prompts),
        "prompts_sha256": digest(list(probe.prompts)),
        "texts_sha256": digest(list(probe.texts)),
        "n": probe.n,
        "test_n": asked.test_n,
        "rounds": asked.rounds,
        "options": {key: each for key, each in probe.options.items() if key != "progress"},
        "seed": probe.seed,
        "versions": versions(),
    }


def _tunable(
    lm: LanguageModel, spec: SteeringSpec, concept: Concept, saes: Mapping[str, SAE]
) -> SteeringSpec:
    """The spec in a unit in which other values mean something, measured once."""
    if spec.interventions[0].strength.unit in CALIBRATED:
        spec = spec.with_strength(1.0, "raw")
    known = all(each.strength.factor is not None for each in spec.interventions)
    return resolve_strength(lm, spec, None if known else (*concept.positive, *concept.negative), saes)


def _check(
    spec: SteeringSpec,
    judge: str | Judge | None,
    budget: Budget,
    sign: int,
    goal: Goal | None,
    n: int,
    rounds: int,
) -> None:
    strengths = sorted({(each.strength.value, each.strength.unit) for each in spec.interventions})
    if len(strengths) > 1:
        told = " and ".join(f"{value:g} {unit}" for value, unit in strengths)
        raise InputError(
            f"one strength is calibrated, and the interventions have {told}; give them one by "
            "spec.with_strength(...) and put what differs into tensors or latents"
        )
    if judge is None and not budget.texts_suffice:
        raise InputError(
            "a budget of coherence needs a judge; give judge=, or limit kl, nats or residual_norm"
        )
    if judge is None and budget.coherence is not None:
        raise InputError("nobody judges coherence without a judge; give judge=, or leave coherence out")
    if sign not in (1, -1):
        raise InputError(f"sign is 1 or -1, got {sign!r}")
    if goal not in (None, "raise", "lower"):
        raise InputError(f"goal is 'raise' or 'lower', got {goal!r}")
    if n < 1 or rounds < 0:
        raise InputError(f"n is at least 1 and rounds at least 0, got n={n}, rounds={rounds}")
