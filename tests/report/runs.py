"""The report of a run with everything in it, made up without a sweep: any number of concepts and methods."""

from __future__ import annotations

import random

from saesteer.evaluation import Figures, Outcome
from saesteer.evaluation.rows import Setting
from saesteer.report import (
    BesideAim,
    ConceptResult,
    Cost,
    Failure,
    JudgedBy,
    MethodResult,
    Pair,
    Point,
    Report,
    SeedFigures,
    Versus,
)
from saesteer.statistics import Interval
from tests.report.conftest import NAMES, made_latent

METHODS = (
    ("diffmean", "Difference of means", "steering"), ("sae_decoder", "SAE latent", "steering"),
    ("prompting", "Prompting", "prompting"), ("random", "Random direction", "control"),
    ("caa", "Contrastive activations", "steering"), ("sae_ts", "SAE-TS", "steering"),
    ("probe", "Probe", "steering"), ("pca", "Principal component", "steering"),
    ("fgaa", "FGAA", "steering"), ("rotation", "Rotation", "steering"),
    ("trained", "Trained direction", "steering"), ("opening", "Opening", "steering"),
)  # fmt: skip
STRENGTHS = (0.08, 0.16, 0.24, 0.32, 0.48)
TEXT = " The bride walked to the church. Her wedding dress was white.\nThe sea was calm."


def around(mean: float, half: float = 0.06, top: float = 1.0) -> Interval:
    return Interval(max(0.0, mean - half), mean, min(top, mean + half), 0.95)


def made_figures(behaviour: float, coherence: float | None, samples: int = 64) -> Figures:
    known = coherence is not None
    return Figures(
        samples=samples, failed=1, prompts=8, sentences=5 * samples, behaviour=around(behaviour),
        coherence=around(coherence, 0.03) if known else None,
        product=around(behaviour * coherence) if known else None,
        lenient=min(1.0, behaviour + 0.05), perplexity=3.2, distinct_1=0.41, distinct_2=0.72,
    )  # fmt: skip


def made_outcome(concept: str, method: str, behaviour: float, coherence: float | None) -> Outcome:
    ratio = behaviour / 0.06
    lift = behaviour - 0.06
    return Outcome(
        Setting(concept, method, "", 0.24),
        made_figures(behaviour, coherence),
        made_figures(0.06, None if coherence is None else 0.97, 480),
        Interval(0.7 * ratio, ratio, 1.4 * ratio, 0.95),
        Interval(lift - 0.08, lift, lift + 0.08, 0.95),
    )


def made_points(peak: float, judged: bool) -> tuple[Point, ...]:
    found = []
    for strength in STRENGTHS:
        coherence = 0.97 - 1.6 * max(0.0, strength - 0.16) ** 1.3
        behaviour = (0.06 + (peak - 0.06) * min(1.0, strength / 0.3)) * coherence
        found.append(
            Point(
                strength, around(behaviour), around(coherence, 0.03) if judged else None,
                around(behaviour * coherence) if judged else None, 32,
            )
        )  # fmt: skip
    return tuple(found)


def made_beside(folder: str) -> BesideAim:
    def tight(value: float) -> Interval:
        return Interval(0.9 * value, value, 1.1 * value, 0.95)

    figures = {
        "perplexity": 3.09, "added_nats": 0.0319, "kl": 0.0401, "drift_share": 0.302, "first_divergence": 3.8,
        "never_diverges": 0.0, "written_perplexity": 1.98, "repeated": 0.371,
    }  # fmt: skip
    plain = {"perplexity": 2.99, "written_perplexity": 1.7, "repeated": 0.66}
    return BesideAim(
        {name: tight(value) for name, value in figures.items()},
        {name: tight(value) for name, value in plain.items()},
        40, 20, f"{folder}/beside.parquet", ((529, 0.78), (2350, 0.69), (2406, -0.54)),
    )  # fmt: skip


def made_method(
    concept: str, which: tuple[str, str, str], peak: float, seeds: int, text: str, judged: bool
) -> MethodResult:
    name, label, role = which
    folder = f"samples/{concept}/{name}"
    coherence = (0.93 if role != "control" else 0.9) if judged else None
    judges = (
        JudgedBy(
            "llm", 60, 4, {"behaviour": around(max(0.0, peak - 0.1)), "instruction": around(0.7)},
            {"behaviour": around(0.04)}, f"{folder}/llm.parquet", "base/llm.parquet",
        ),
    )  # fmt: skip
    return MethodResult(
        name, label, role, "A story about it. {prompt}" if role == "prompting" else "0.24 residual norms",
        made_outcome(concept, name, peak, coherence), "highest behaviour of 3 settings",
        f"{folder}/test.parquet", f"{folder}/selection.parquet",
        "" if role == "prompting" else "residual_norm", 5.0 if name == "diffmean" else None,
        () if role == "prompting" else made_points(peak, judged),
        (
            Pair("Anna went to the town.", text, TEXT, peak, coherence),
            Pair("Tom went to the river.", TEXT, text, peak, coherence, "About it. " * (role == "prompting")),
        ),
        tuple(
            SeedFigures(seed, 31, around(peak + 0.03 * seed), around(coherence) if judged else None, 1)
            for seed in range(seeds)
        ),
        judges, made_beside(folder),
    )  # fmt: skip


def none_coherent(method: MethodResult) -> MethodResult:
    return MethodResult(
        method.method, method.label, method.role, "", None, "no setting keeps a coherence of 0.8",
        method.tried, method.tried, method.unit, method.goal, method.points,
    )  # fmt: skip


def made_versus(concept: str, one: str, other: str, gap: float, p: float) -> Versus:
    return Versus(
        concept, one, other, "behaviour", Interval(gap - 0.07, gap, gap + 0.07, 0.95), p, min(1.0, 6 * p),
        gap / 0.1, 16, 2, 28 if p < 0.05 else None, 126, 2,
    )  # fmt: skip


ASKED = (
    ("Model", "world"), ("Prompts", "16, half to choose and half to report"), ("Judge", "oracle"),
    ("Strengths", "0.08, 0.16, 0.24, 0.32, 0.48"), ("Seeds", "0, 1"), ("Samples per prompt", "4, 8"),
)  # fmt: skip


def made_run(
    concepts: int = 2, methods: int = 4, *, seeds: int = 2, text: str = TEXT, judged: bool = True,
    shift: float = 0.0, **changes: object,
) -> Report:  # fmt: skip
    """`shift`: added to what every method but the control reaches."""
    rng = random.Random(3)
    made, versus = [], []
    for number, name in enumerate(NAMES[:concepts]):
        results = []
        for which in METHODS[:methods]:
            peak = 0.07 if which[2] == "control" else rng.uniform(0.2, 0.7) + shift
            results.append(made_method(name, which, peak, seeds, text, judged))
        if number == 1 and methods > 1:
            results[1] = none_coherent(results[1])
        versus += [
            made_versus(name, each, "diffmean", rng.uniform(-0.3, 0.3), rng.choice((0.0004, 0.02, 0.4)))
            for each, _, role in METHODS[1:methods]
            if role != "control"
        ]
        made.append(
            ConceptResult(
                name, f"Texts about {name}.", made_figures(0.06, 0.97 if judged else None, 480),
                "base/rows.parquet", tuple(results), (made_latent(),),
                ("bride", "wedding", "church", "dress"),
            )
        )  # fmt: skip
    fields = {
        "title": "Which way of steering is best?", "concepts": tuple(made), "made": "1 January 2026",
        "subtitle": "An experiment on the embedded world", "command": "saesteer run experiment.yaml",
        "provenance": {"model": "abc", "judge": {"name": "oracle", "fingerprint": "0f3a"}, "seeds": [0, 1]},
        "notes": ("The model is small.",), "asked": ASKED, "versus": tuple(versus),
        "failures": (
            Failure("sea, Probe", "the probe needs 20 texts of each side, got 12", 1, 1),
            Failure("wedding, judge llm", "no JSON in the answer", 4, 64, "samples/wedding/failed.parquet"),
        ),
        "cost": Cost(1234.5, 40_000, 1_600_000, 960, 410_000, 0.61, {"seconds": 1100.0, "money": 0.7}),
        "files": (("All figures as a table", "results.csv"), ("This report as Markdown", "report.md")),
    }  # fmt: skip
    return Report(**{**fields, **changes})  # type: ignore[arg-type]
