"""Search with a judge: latents, signs, ops and strengths chosen jointly, by successive halving.

Hundreds of candidates are written a few times each, in shared batches; the best part goes on and is written
more often, so that most texts are spent where the choice is close (Jamieson and Talwalkar 2016, arXiv
1502.07943). All of it on one half of the prompts; the winner is measured on the other. Knows evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from saesteer.calibration.candidates import LEVELS, Candidate, candidates
from saesteer.calibration.found import Found, Trial
from saesteer.calibration.prompts import default_prompts
from saesteer.errors import InputError
from saesteer.evaluation import Arm, Row, Setting, SweepResult, baseline, evaluate, figures, report
from saesteer.evaluation.figures import known
from saesteer.evaluation.rows import Half
from saesteer.judges import Judge
from saesteer.model import LanguageModel
from saesteer.runs import digest, versions
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec
from saesteer.text import load_concept
from saesteer.text.concept import Concept

METHOD: Final = "search"
_DOUBT: Final = 1.64  # standard errors of coherence that a candidate is given the benefit of
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class _Work:
    lm: LanguageModel
    concept: Concept
    judge: str | Judge
    prompts: tuple[str, ...]
    coherence: float
    seed: int
    how: Mapping[str, Any]
    progress: Progress | None

    def write(self, what: str, tried: Sequence[Candidate], n: int, half: Half, seed: int) -> SweepResult:
        """Every candidate, those of one spec as one arm."""
        arms: dict[str, list[Candidate]] = {}
        for each in tried:
            arms.setdefault(each.name, []).append(each)
        return evaluate(
            self.lm,
            [
                Arm(self.concept, METHOD, part[0].spec, tuple(each.strength for each in part), name)
                for name, part in arms.items()
            ],
            self.prompts,
            n,
            self.judge,
            seed=self.seed + seed,
            only=half,
            **self.told(what),
        )

    def told(self, what: str) -> dict[str, Any]:
        """Options of `evaluate`, with a progress that says what is written."""
        told = self.progress
        return {
            **self.how,
            "progress": None if told is None else (lambda done, total: told(what, done, total)),
        }

    def setting(self, each: Candidate) -> Setting:
        return Setting(self.concept.name, METHOD, each.name, each.strength)


def search(
    lm: LanguageModel,
    concept: Concept | str,
    sae: SAE | None = None,
    judge: str | Judge = "oracle",
    *,
    specs: Mapping[str, SteeringSpec] | None = None,
    count: int = 200,
    keep: float = 1 / 3,
    finalists: int = 4,
    n: int = 1,
    test_n: int = 12,
    coherence: float = 0.8,
    at: str | None = None,
    ops: Sequence[str] = ("add",),
    levels: Sequence[float] = LEVELS,
    openings: bool = False,
    prompts: Sequence[str] | None = None,
    source: str | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Found:
    """The candidate with the most of `concept` at a mean coherence of `coherence`, and the way to it.

    `sae`: whose latents are tried; `specs`: others to try beside them, by name. `count`: candidates in all.
    `n`: texts per prompt and candidate in the first round; each later round writes as often as all before it
    together and keeps the share `keep`, until `finalists` are left. `levels`: distances (KL per token) at
    which each is tried. `ops`: "add", "set_latents". `openings`: the place of the edit is searched too: the
    difference of means and a trained direction at the first places of the prompt alone, at three depths of
    the model (or at `at`), up to three places. `source`: the SAE's name, for the spec. `folder` and
    `options` are those of `calibrate`.
    """
    concept = load_concept(concept)
    if not 0 < keep < 1 or finalists < 1 or n < 1 or count < 1 or not 0 <= coherence <= 1:
        given = f"keep={keep}, finalists={finalists}, n={n}, count={count}, coherence={coherence}"
        raise InputError(f"keep lies between 0 and 1, the numbers are at least 1, got {given}")
    tried = candidates(
        lm, concept, sae, count, at=at, ops=ops, specs=specs, source=source, levels=levels, openings=openings
    )
    if not tried:
        raise InputError(
            f"no candidate reaches a KL of {min(levels):g}; give other specs or an SAE that writes"
        )
    saes = {"saes": {"s": sae}} if sae is not None else {}
    how = {**options, **saes, "folder": None if folder is None else Path(folder)}
    chosen = tuple(default_prompts(lm) if prompts is None else prompts)
    work = _Work(lm, concept, judge, chosen, coherence, seed, how, progress)
    trials, rows = _halve(work, tried, keep, finalists, n)
    base = baseline(lm, concept, chosen, test_n, judge, seed + 1, **work.told("the plain model")).rows
    winner = _winner(work, tried, trials)
    if winner is None:
        reason = f"none of {len(tried)} candidates keeps a coherence of {coherence:g}"
        return Found(
            None, reason, trials, None, figures(base), (*rows, *base), _provenance(work, tried, keep, n)
        )
    tested = work.write("the winner", [winner], test_n, "test", seed=2).rows
    outcome = report(SweepResult(tested, {}), work.setting(winner), base) if tested else None
    provenance = _provenance(work, tried, keep, n)
    spec = winner.spec.with_strength(winner.strength)
    spec = replace(spec, provenance={**spec.provenance, "search": {**provenance, "winner": winner.name}})
    reason = (
        f"most behaviour of {len(tried)} candidates at a coherence of {coherence:g} or more: {winner.name}"
    )
    return Found(spec, reason, trials, outcome, figures(base), (*rows, *tested, *base), provenance)


def _halve(
    work: _Work, tried: list[Candidate], keep: float, finalists: int, n: int
) -> tuple[tuple[Trial, ...], tuple[Row, ...]]:
    """Round by round; a candidate's figures are over all that it has written."""
    alive, trials = list(tried), []
    written: dict[Setting, list[Row]] = {work.setting(each): [] for each in tried}
    number, samples = 1, 0
    while True:
        more = max(n, samples)
        found = work.write(f"round {number}: {len(alive)} candidates", alive, more, "selection", 10 + number)
        for row in found.rows:
            written[row.setting].append(replace(row, sample=row.sample + samples))
        samples += more
        ranked = sorted(
            (_trial(work, each, written[work.setting(each)], number) for each in alive),
            key=lambda trial: (-trial.coherent, -trial.behaviour, abs(trial.strength)),
        )
        room = max(finalists, int(keep * len(ranked)))
        last = len(ranked) <= finalists
        trials += [replace(each, kept=not last and place < room) for place, each in enumerate(ranked)]
        if last:
            return tuple(trials), tuple(row for rows in written.values() for row in rows)
        names = {(each.name, each.strength) for each in ranked[:room]}
        alive = [each for each in alive if (each.name, each.strength) in names]
        number += 1


def _trial(work: _Work, each: Candidate, rows: Sequence[Row], number: int) -> Trial:
    good = [row for row in rows if row.ok]
    if work.coherence > 0 and any(row.coherence is None for row in good):
        known(None)  # says what to do
    if not good:
        return Trial(number, each.name, each.strength, each.kl, 0, float("nan"), float("nan"), False)
    behaviour = sum(row.behaviour or 0.0 for row in good) / len(good)
    values = [row.coherence or 0.0 for row in good]
    mean = sum(values) / len(values)
    spread = (sum((each - mean) ** 2 for each in values) / max(1, len(values) - 1) / len(values)) ** 0.5
    coherent = mean + _DOUBT * spread >= work.coherence
    return Trial(number, each.name, each.strength, each.kl, len(good), behaviour, mean, coherent)


def _winner(work: _Work, tried: Sequence[Candidate], trials: Sequence[Trial]) -> Candidate | None:
    """Of those written most often the one with the most behaviour that is coherent without any doubt."""
    for number in range(max(each.round for each in trials), 0, -1):
        good = [each for each in trials if each.round == number and each.coherence >= work.coherence]
        if good:
            best = max(good, key=lambda each: each.behaviour)
            return next(c for c in tried if (c.name, c.strength) == (best.name, best.strength))
    return None


def _provenance(work: _Work, tried: Sequence[Candidate], keep: float, n: int) -> dict[str, Any]:
    return {
        "model": work.lm.fingerprint(),
        "arithmetic": work.lm.arithmetic,
        "concept": work.concept.name,
        "concept_sha256": digest(work.concept),
        "judge": work.judge if isinstance(work.judge, str) else type(work.judge).__qualname__,
        "coherence": work.coherence,
        "candidates": len(tried),
        "candidates_sha256": digest([[c.spec.fingerprint(), c.strength] for c in tried]),
        "keep": keep,
        "n": n,
        "prompts_sha256": digest(list(work.prompts)),
        "seed": work.seed,
        "versions": versions(),
    }
