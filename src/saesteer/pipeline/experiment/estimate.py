"""What a run will take, before it begins: texts and requests counted, time from a batch that is written.

The probe writes one batch of the plain model's texts, measures their surprise and has them judged, where that
costs nothing; what methods do to find their specs, and reading texts for side effects, is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from saesteer.evaluation import Arm, evaluate
from saesteer.judges import SpendingJudge
from saesteer.judges.foretelling import Asked, foretold
from saesteer.judges.function import function_judge
from saesteer.pipeline.experiment.base import check_coherence
from saesteer.pipeline.experiment.inputs import Inputs, stand_in
from saesteer.pipeline.experiment.planning import Cell, Plan
from saesteer.pipeline.experiment.setup import Setup


@dataclass(frozen=True)
class Rate:
    """What the probe measured."""

    texts_per_second: float
    tokens_per_text: float


@dataclass(frozen=True)
class Estimate:
    """What is left to do; None where nobody can say."""

    cells: int
    texts: int
    tokens: int
    """By the probe's mean length, else the most that may be written."""
    requests: int
    judge_tokens: int
    """At four characters each."""
    money: float | None
    seconds: float | None
    """Over all processes together."""

    @property
    def record(self) -> dict[str, float]:
        """By the names of Cost; what nobody can say is left out."""
        names = ("seconds", "texts", "tokens", "requests", "judge_tokens", "money")
        known = {name: getattr(self, name) for name in names}
        return {name: float(value) for name, value in known.items() if value is not None}


def estimate(
    inputs: Inputs, plan: Plan, left: Sequence[Cell], base_done: bool, rate: Rate | None = None
) -> Estimate:
    """Of the cells that are left, and of the plain model's texts where these are."""
    config = inputs.config
    long = config.writing.max_new_tokens
    greedy = 0 if config.side_effects is None else config.side_effects.tokens
    base = 0 if base_done else plan.base
    judged = base + sum(each.counts.judged for each in left)
    beside = sum(each.counts.beside for each in left)
    texts = judged + beside
    mean = long if rate is None else rate.tokens_per_text
    seconds = None
    if rate is not None:  # a greedy text is as much work as its length
        seconds = (judged + beside * greedy / max(1.0, mean)) / rate.texts_per_second
    asked = _asked(inputs, base, left)
    tokens = round(judged * mean + beside * greedy)
    return Estimate(len(left), texts, tokens, asked.requests, asked.tokens, asked.money, seconds)


def _asked(inputs: Inputs, base: int, left: Sequence[Cell]) -> Asked:
    """What the judges would ask: each of all its texts, further ones of the test half and the base alone."""
    long, found = inputs.config.writing.max_new_tokens, Asked()
    for subject in inputs.subjects:
        own = [each for each in left if each.subject is subject]
        request = stand_in(subject, inputs.prompts[0], long)
        judged = sum(each.counts.judged for each in own)
        found += foretold(inputs.judge, request).times(base + judged)
        for judge in inputs.judges:
            found += foretold(judge, request).times(base + sum(each.counts.test for each in own))
    return found


def probe(setup: Setup, most: int) -> Rate:
    """One batch by the plain model, at most `most` texts, after the first prompts."""
    config, inputs = setup.config, setup.inputs
    texts = max(1, min(config.batch, most))
    prompts = inputs.prompts[: min(len(inputs.prompts), texts)]
    judge = inputs.judge
    free = function_judge(lambda request: 0.0) if isinstance(judge, SpendingJudge) else judge
    arm = Arm(inputs.subjects[0].concept, "base")
    start = time.monotonic()
    found = evaluate(setup.lm, [arm], prompts, -(-texts // len(prompts)), free, seed=config.seeds[0],
                     batch=config.batch, **config.writing_options)  # fmt: skip
    seconds = max(1e-6, time.monotonic() - start)
    if free is judge:
        check_coherence(config, found)
    return Rate(len(found.rows) / seconds, sum(row.tokens for row in found.rows) / len(found.rows))
