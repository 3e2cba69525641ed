"""Made-up results: latents whose explanations are good, poor or missing, judged by scorers that err."""

import random
from collections.abc import Sequence

from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.llms.client import Usage

THINGS = ("weddings", "the sea", "cooking", "hospitals", "rain", "dogs", "money", "French words")
USAGE = Usage(requests=4, prompt_tokens=2_000, completion_tokens=80, cached=1, retries=1, cost=0.002)


def answers(rng: random.Random, skill: float, n: int = 20) -> list[dict]:
    """Active windows in tenths, then as many silent ones."""
    rows = []
    for place in range(2 * n):
        truth = place < n
        quantile = place * 10 // n if truth else None
        hard = 0.1 if quantile is not None and quantile < 3 else 0.0
        probability = (
            rng.betavariate(2 + 6 * (skill - hard), 2) if truth else rng.betavariate(2, 2 + 6 * skill)
        )
        rows.append(
            {"truth": truth, "said": probability > 0.5, "probability": probability, "quantile": quantile,
             "start": 40 * place, "kind": "active" if truth else "random"}
        )  # fmt: skip
    return rows


def figures(rows: Sequence[dict]) -> dict[str, float]:
    hits = sum(row["truth"] and row["said"] for row in rows)
    said, true = sum(row["said"] for row in rows), sum(row["truth"] for row in rows)
    silent = sum(not row["truth"] and not row["said"] for row in rows)
    f1 = 2 * hits / max(1, said + true)
    return {"balanced_accuracy": (hits / true + silent / (len(rows) - true)) / 2, "f1": f1}


def made_score(rng: random.Random, latent: LatentId, scorer: str, text: str | None, skill: float) -> Score:
    rows = answers(rng, skill)
    found = figures(rows)
    failed = (Failure("unparsed", "no list of answers in: I would say"),) if rng.random() < 0.2 else ()
    return Score(latent, scorer, text, found["balanced_accuracy"], found, tuple(rows), failed, USAGE)


def made_interpretation(
    latents: int = 24,
    explainers: Sequence[str] = ("default",),
    saes: Sequence[str] = ("layers.3",),
    seed: int = 0,
) -> Interpretation:
    rng = random.Random(seed)
    explanations: list[Explanation] = []
    scores: list[Score] = []
    known: dict[LatentId, LatentFigures] = {}
    for number in range(latents):
        latent = LatentId(saes[number % len(saes)], 7 * number)
        known[latent] = LatentFigures(10 ** rng.uniform(-4, -1), rng.uniform(2, 20), rng.randrange(5, 400))
        for explainer in explainers:
            skill = rng.uniform(0.1, 1.0) if explainer != "random" else 0.05
            if rng.random() < 0.1:
                failure = Failure("timed_out", "no answer within 30 seconds")
                explanations.append(Explanation(latent, explainer, None, failure, USAGE))
                continue
            text = f"words about {rng.choice(THINGS)}, as {explainer} has it ({number})"
            explanations.append(Explanation(latent, explainer, text, None, USAGE, {"reasoning": "a list"}))
            scores += [made_score(rng, latent, scorer, text, skill) for scorer in ("detection", "fuzzing")]
        if explainers:
            value = rng.random()
            scores.append(Score(latent, "intruder", None, value, {"accuracy": value}, (), (), USAGE))
    about = {"model": "world", "scorers": {"detection": {"shown": 5}}, "seconds": 12.5}
    return Interpretation(tuple(explanations), tuple(scores), known, about)
