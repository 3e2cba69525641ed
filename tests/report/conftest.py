"""Made-up sweeps of a few concepts, with known effects, turned into records by the room's own builders."""

import random
from collections.abc import Callable

import pytest

from saesteer.evaluation import Row, SweepResult, split
from saesteer.evaluation.figures import figures
from saesteer.evaluation.halves import prompt_id
from saesteer.report import (
    ConceptResult,
    Context,
    LatentEvidence,
    MethodResult,
    Report,
    method_result,
)

PROMPTS = [
    f"{name} went to the {place}." for name in ("Anna", "Tom", "Mary", "Karl") for place in ("town", "river")
]
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
PREFIXES = ("A story about it. {prompt}", "{prompt} There it was.", "Once more. {prompt}")
PLAIN = " He looked at the old house for a while. The evening was quiet. Then he went home."


def made_rows(
    concept: str,
    method: str,
    behaviour: float,
    coherence: float,
    *,
    strength: float = 0.0,
    variant: str = "",
    n: int = 8,
    text: str = PLAIN,
    seed: int = 0,
) -> list[Row]:
    """Samples whose judgements scatter about the given means, and about each prompt's own."""
    rng = random.Random(f"{concept}{method}{strength}{variant}{seed}")
    halves = split(PROMPTS)
    rows = []
    for prompt in PROMPTS:
        own = rng.gauss(0, 0.03)
        for sample in range(n):
            # Five sentences: judgements are shares of them, as a judge gives them.
            well = sum(rng.random() < coherence for _ in range(5))
            topical = sum(rng.random() < (behaviour + own) / max(coherence, 1e-9) for _ in range(well))
            rows.append(
                Row(
                    concept=concept, method=method, variant=variant, strength=strength,
                    prefix=variant if "{prompt}" in variant else "{prompt}", prompt_id=prompt_id(prompt),
                    sample=sample,
                    half=halves[prompt], prompt=prompt, text=text, behaviour=topical / 5, coherence=well / 5,
                    lenient=min(1.0, topical / 5 + 0.05), sentences=5, well_formed=well, expressing=topical,
                    nll=1.0 + 0.5 * strength, tokens=40, detail="{}", error=None,
                )
            )  # fmt: skip
    return rows


def made_method(
    concept: str,
    base: SweepResult,
    method: str,
    label: str,
    peak: float,
    role: str,
    goal: float | None,
    text: str,
) -> MethodResult:
    """A method whose behaviour rises with strength to `peak` and whose coherence falls."""
    floor = 0.06
    rows: list[Row] = []
    if role == "prompting":
        for place, prefix in enumerate(PREFIXES):
            rows += made_rows(concept, method, peak - 0.1 * place, 0.96, variant=prefix, text=text)
    else:
        for strength in STRENGTHS:
            rise = min(1.0, strength / 0.5)
            coherent = 0.97 - 0.9 * max(0.0, strength - 0.22) ** 1.4
            made = made_rows(
                concept,
                method,
                (floor + (peak - floor) * rise) * coherent,
                coherent,
                strength=strength,
                text=text,
            )
            rows += made
    return method_result(
        SweepResult(tuple(rows), {}), base, label=label, role=role, rows=f"{method}/{concept}/rows.parquet",
        tried=f"{method}/{concept}/tried.parquet",
        unit="" if role == "prompting" else "residual_norm", goal=goal,
    )  # fmt: skip


def made_latent(positive: str = "The bride smiled at the priest.") -> LatentEvidence:
    tokens = tuple((" " if place else "") + word for place, word in enumerate(positive.split()))
    hot = tuple(float((7 * place) % 5) for place in range(len(tokens)))
    return LatentEvidence(
        sae="world/layers.3", latent=1234, auroc=0.981, rows="latents/rows.parquet", token_auroc=0.84,
        effect_size=2.3, positive_rate=0.97, negative_rate=0.08,
        contexts=(Context(tokens, hot, True), Context(tokens[::-1], hot, False)),
        promoted=((" bride", 2.1), (" ring", 1.7), ("\n", 0.4)), suppressed=((" <b>", -0.9),),
    )  # fmt: skip


def made_concept(name: str, peaks: dict[str, float], text: str = PLAIN) -> ConceptResult:
    base = SweepResult(tuple(made_rows(name, "base", 0.06, 0.97, n=60)), {})
    wanted = (
        ("prompting", "Prompting", "prompting", None),
        ("diffmean", "Difference of means", "steering", 5.0),
        ("sae_decoder", "SAE latent", "steering", 3.0),
        ("random", "Random direction", "control", None),
    )
    methods = tuple(
        made_method(name, base, method, label, peaks[method], role, goal, text)
        for method, label, role, goal in wanted
        if method in peaks
    )
    return ConceptResult(
        name=name, description=f"Texts about {name}.", base=figures(base.rows), base_rows="base/rows.parquet",
        methods=methods, latents=(made_latent(),),
    )  # fmt: skip


NAMES = (
    "wedding", "sea", "cooking", "medicine", "school", "space", "London", "music", "weather", "dogs", "money",
    "war", "faith", "computers", "garden", "sport", "anger", "praise", "love", "fear", "sadness", "insult",
    "advice", "French",
)  # fmt: skip
PEAKS = {"prompting": 0.6, "diffmean": 0.5, "sae_decoder": 0.35, "random": 0.06}


def made_report(concepts: int = 2, text: str = PLAIN, **changes: object) -> Report:
    rng = random.Random(4)
    made = tuple(
        made_concept(name, {key: max(0.05, peak * rng.uniform(0.6, 1.2)) if key != "random" else 0.06
                            for key, peak in PEAKS.items()}, text)
        for name in NAMES[:concepts]
    )  # fmt: skip
    fields = {
        "title": "Steering the embedded world",
        "concepts": made,
        "made": "1 January 2025",
        "command": "saesteer demo",
        "provenance": {"model": "abc", "seeds": {"selection": 0}, "judge": "oracle"},
    }
    return Report(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def report() -> Report:
    return made_report()


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    return made_report
