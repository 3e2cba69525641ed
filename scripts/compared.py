"""What scripts/compare_methods.py compares: how each method is made for a concept, and its strengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from saesteer import Concept, LanguageModel, SteeringSpec
from saesteer.calibration import search
from saesteer.concepts import align_topic
from saesteer.effects import Approximator
from saesteer.errors import InputError
from saesteer.methods import METHODS, TUNERS, Tuned, random_direction
from saesteer.saes import SAE

AT, EARLY = "layers.3", "layers.2"
GRID: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Mean residual norms, for what is added at every place."""
FEW_PLACES: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""The same for what is added at the first places of the prompt alone."""
SHARES: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Of the method's own strength, where it is no length."""
WEIGHTS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""Of the way from a model's weights to the fine-tuned ones."""
OWN: Final = None
"""A search has chosen the strength too."""


@dataclass(frozen=True)
class Lab:
    """What every method is given."""

    lm: LanguageModel
    sae: SAE
    effects: Approximator | None
    work: Path
    prompts: tuple[str, ...]
    samples: int
    test_samples: int
    known: dict[object, Any] = field(default_factory=dict)
    """What was made for a concept already, for methods that begin with the same."""

    def make(self, name: str, concept: Concept, **options: Any) -> SteeringSpec:
        return METHODS.get(name)(self.lm, concept, **options)

    def once(self, what: str, concept: Concept, make: Callable[[], Any]) -> Any:
        key = (what, concept.name)
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]


Make = Callable[[Lab, Concept], SteeringSpec | Tuned]


def _random(lab: Lab, concept: Concept) -> SteeringSpec:
    texts = (*concept.positive, *concept.negative)  # the unit of the other methods
    return random_direction(lab.lm, at=AT, seed=0, texts=texts)


def _direction(name: str, at: str = AT, **options: Any) -> Make:
    return lambda lab, concept: lab.make(name, concept, at=at, **options)


def _sae(name: str, **options: Any) -> Make:
    return lambda lab, concept: lab.make(name, concept, sae=lab.sae, source=f"world/{AT}", **options)


def _effects(name: str, **options: Any) -> Make:
    def make(lab: Lab, concept: Concept) -> SteeringSpec:
        if lab.effects is None:
            raise InputError("needs --effects")
        return lab.make(name, concept, sae=lab.sae, effects=lab.effects, **options)

    return make


def _opening(name: str, at: str) -> Make:
    def make(lab: Lab, concept: Concept) -> SteeringSpec:
        direction = _once(lab, name, concept, at)
        return lab.make("opening", concept, at=at, direction=direction)

    return make


def _once(lab: Lab, name: str, concept: Concept, at: str) -> SteeringSpec:
    return lab.once(f"{name} at {at}", concept, lambda: lab.make(name, concept, at=at))


def _topic(mode: str, **options: Any) -> Make:
    def make(lab: Lab, concept: Concept) -> SteeringSpec:
        named = {"name": concept.name, "embedder": "minilm"}
        scores = lab.once(
            "topic", concept, lambda: align_topic(lab.lm, lab.sae, concept.positive, "world", **named)
        )
        return lab.make(
            "topic_alignment", concept, sae=lab.sae, scores=scores, mode=mode, source=f"world/{AT}", **options
        )

    return make


def _tuned(name: str) -> Make:
    return lambda lab, concept: TUNERS.get(name)(lab.lm, concept)


def _loop(loop: str) -> Make:
    def make(lab: Lab, concept: Concept) -> SteeringSpec:
        direction = _once(lab, "trained", concept, AT)
        return lab.make("closed_loop", concept, at=AT, direction=direction, loop=loop)

    return make


def _search(lab: Lab, concept: Concept) -> SteeringSpec:
    """Two hundred candidates, latents with signs and strengths, by successive halving with the oracle."""
    found = search(lab.lm, concept, lab.sae, count=200, prompts=lab.prompts, source=f"world/{AT}", test_n=1)
    return _winner(found)


def _search_openings(lab: Lab, concept: Concept) -> SteeringSpec:
    """Places as a dimension: two directions at three hookpoints, to three ends, at four strengths."""
    return _winner(search(lab.lm, concept, count=72, openings=True, prompts=lab.prompts, test_n=1))


def _winner(found: Any) -> SteeringSpec:
    if found.spec is None:
        raise InputError(found.reason)
    return found.spec


COMPARED: Final[dict[str, tuple[Make, tuple[float, ...] | None]]] = {
    "random": (_random, GRID),
    "diffmean": (_direction("diffmean"), GRID),
    "caa": (_direction("caa"), GRID),
    "pca": (_direction("pca"), GRID),
    "probe": (_direction("probe"), GRID),
    "actadd": (_direction("actadd"), FEW_PLACES),
    "actadd, mean": (_direction("actadd", how="mean"), GRID),
    "sae, contrast": (_sae("sae_decoder", choose="contrast"), GRID),
    "sae, 5 latents": (_sae("sae_decoder", choose="contrast", top=5), GRID),
    "sae, output score": (_sae("sae_decoder", choose="output_score"), GRID),
    "sae, input and output": (_sae("sae_decoder", choose="combined"), GRID),
    "sae, lift": (_sae("sae_decoder", choose="lift"), GRID),
    "sae, supervised": (_sae("sae_decoder", choose="supervised"), GRID),
    "sae, clamped": (_sae("sae_decoder", choose="combined", op="set_latents"), SHARES),
    "sae-ts": (_effects("sae_ts"), GRID),
    "sae-ts, 5 latents": (_effects("sae_ts", top=5), GRID),
    "sae-ts, no bias term": (_effects("sae_ts", bias_weight=0.0), GRID),
    "pinverse": (_effects("pinverse"), GRID),
    "rotation": (_effects("rotation"), GRID),
    "fgaa": (_effects("fgaa"), GRID),
    "topic, clamp": (_topic("clamp", keep_error=True), SHARES),
    "topic, clamp by level": (_topic("clamp", keep_error=True, by_level=True), SHARES),
    "topic, weight": (_topic("weight"), SHARES),
    "topic, swap": (_topic("swap"), SHARES),
    "corrsteer": (_sae("corrsteer", light=0.3), SHARES),
    "trained, lm": (_direction("trained", objective="lm"), GRID),
    "trained, early": (_direction("trained", EARLY), GRID),
    "trained, reps": (_direction("trained", objective="reps"), GRID),
    "opening, diffmean": (_opening("diffmean", EARLY), FEW_PLACES),
    "opening, trained": (_opening("trained", EARLY), FEW_PLACES),
    "trained at the opening": (_direction("trained", EARLY, positions=(0, 6)), FEW_PLACES),
    "trained, until found": (_loop("until"), GRID),
    "trained, controlled": (_loop("control"), GRID),
    "search": (_search, OWN),
    "search, openings": (_search_openings, OWN),
    "fine-tuning": (_tuned("finetune"), WEIGHTS),
    "LoRA": (_tuned("lora"), WEIGHTS),
}
