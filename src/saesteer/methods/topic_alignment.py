"""Topic alignment: latents raised or ranked anew by how near they are to a topic (arXiv 2506.12576).

With x the activation, p the SAE's pre-activations, act its activation function, s the scores, Dec by the
token's own mean and deviation where the SAE normalises:

    orig    x                         sae     Dec(act(p))
    clamp   Dec(act(p) + 10 of the five best latents)
    weight  Dec(act(p s))             swap    Dec(p where act(p s) is not 0): ranks by score, sizes stay

With the error kept, x + Dec(...) - Dec(act(p)). Knows scores and specs; no judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from saesteer.concepts.alignment_scores import AlignedLatent, AlignmentScores, By
from saesteer.concepts.topics import BEST, align_topic
from saesteer.embeddings import Embedder
from saesteer.errors import InputError, UnknownName
from saesteer.methods.direction import provenance_of
from saesteer.model import LanguageModel
from saesteer.saes import SAE, check_one_space
from saesteer.steering import Intervention, ModelRef, SAERef, SteeringSpec, Strength, TensorRef, Where
from saesteer.text import load_concept
from saesteer.text.concept import Concept

RAISED: Final = 10.0
"""What clamping adds to each of the best latents."""


@dataclass(frozen=True)
class Settings:
    """Everything about a manipulation but the scores."""

    keep_error: bool
    count: int
    by: By
    by_level: bool
    strength: float | None
    where: Where


def topic_alignment(
    lm: LanguageModel,
    concept: Concept | str | None,
    sae: SAE | Sequence[SAE],
    scores: AlignmentScores | str | Path | Sequence[AlignmentScores] | None = None,
    *,
    mode: str = "swap",
    at: str | None = None,
    keep_error: bool = False,
    by: By = "low",
    count: int = BEST,
    by_level: bool = False,
    strength: float | None = None,
    where: Where | None = None,
    d_ref: Sequence[str] | str | None = None,
    embedder: str | Embedder = "minilm",
    source: str | Sequence[str] | None = None,
) -> SteeringSpec:
    """A spec of one of the five manipulations, at each layer that there are scores for.

    `scores`: made before (an object, or the folder of a saved one), one per SAE; None: made here from the
    concept's positive texts and `d_ref` (see align_topic). Scores of another model, SAE or hookpoint are
    refused. `by`: "score", as in the paper, or "low", the lower end of its interval. `count`: how many
    latents clamp raises; `by_level`: not by a number, but by each one's own mean activation on the topic.
    `strength`: what clamp adds (default 10, or once its level); of the others the share of the way that is
    gone (default 1; orig is off). `source`: as in sae_decoder.
    """
    modes = {**MANIPULATIONS, **LEGACY}
    if mode not in modes:
        raise UnknownName.of("manipulation", mode, modes)
    concept = None if concept is None else load_concept(concept)
    saes = [sae] if isinstance(sae, SAE) else list(sae)
    given = _scored(lm, concept, saes, scores, at, d_ref, embedder)
    settings = Settings(keep_error, count, by, by_level, strength, where or Where())
    interventions: list[Intervention] = []
    tensors: dict[str, TensorRef] = {}
    for number, each in enumerate(given):
        name = "s" if len(given) == 1 else f"s{number}"
        made, tensor = modes[mode](each, name, settings)
        interventions.append(made)
        tensors |= {} if tensor is None else {f"{name}_scores": tensor}
    sources = [source] * len(saes) if source is None or isinstance(source, str) else list(source)
    if len(sources) != len(saes):
        raise InputError(f"there are {len(saes)} SAEs but {len(sources)} sources; give one each")
    refs = {
        each.sae or "s": SAERef(place, found.fingerprint())
        for each, place, found in zip(interventions, sources, saes, strict=True)
    }
    about = provenance_of("topic_alignment", concept, given[0].home.hookpoint)
    about |= {"mode": mode, "by": by, "topic": given[0].topic, "verdict": given[0].verdict.word}
    about |= {"trust": given[0].verdict.trust, "scores": [dict(each.provenance) for each in given]}
    model = ModelRef(id=lm.name, fingerprint=lm.fingerprint())
    return SteeringSpec(tuple(interventions), tensors, refs, model, about)


def _scored(
    lm: LanguageModel,
    concept: Concept | None,
    saes: Sequence[SAE],
    scores: AlignmentScores | str | Path | Sequence[AlignmentScores] | None,
    at: str | None,
    d_ref: Sequence[str] | str | None,
    embedder: str | Embedder,
) -> list[AlignmentScores]:
    """One artefact per SAE, each of this model, that SAE and its hookpoint."""
    if not saes:
        raise InputError("there is no SAE; give one, or one per layer")
    for sae in saes:
        check_one_space(sae)
    if scores is None:
        if concept is None:
            raise InputError("give scores, or a concept whose texts are the topic")
        options: dict[str, Any] = {"at": at, "name": concept.name, "embedder": embedder}
        return [align_topic(lm, sae, concept.positive, d_ref, **options) for sae in saes]
    given = [scores] if isinstance(scores, AlignmentScores | str | Path) else list(scores)
    found = [_loaded(each) for each in given]
    if len(found) != len(saes):
        raise InputError(f"there are {len(saes)} SAEs but {len(found)} scores; give one each")
    for sae, each in zip(saes, found, strict=True):
        each.check(lm, sae, at or each.home.hookpoint)
    if len({each.home.hookpoint for each in found}) < len(found):
        raise InputError("two of the scores are of one hookpoint; give each layer once")
    return found


def _loaded(scores: AlignmentScores | str | Path) -> AlignmentScores:
    return scores if isinstance(scores, AlignmentScores) else AlignmentScores.load(scores)


def _orig(scores: AlignmentScores, sae: str, settings: Settings) -> tuple[Intervention, None]:
    """Strength 0: off, bit by bit."""
    _refuse_error("orig", settings)
    return Intervention(scores.home.hookpoint, "splice", sae=sae, strength=Strength(0.0)), None


def _sae(scores: AlignmentScores, sae: str, settings: Settings) -> tuple[Intervention, None]:
    _refuse_error("sae", settings)
    strength = Strength(1.0 if settings.strength is None else settings.strength)
    return (
        Intervention(scores.home.hookpoint, "splice", sae=sae, strength=strength, where=settings.where),
        None,
    )


def _clamp(scores: AlignmentScores, sae: str, settings: Settings) -> tuple[Intervention, None]:
    best = _best(scores, settings)
    usual = 1.0 if settings.by_level else RAISED
    made = Intervention(
        scores.home.hookpoint,
        "add_latents",
        sae=sae,
        latents=tuple((row.latent, _level(row, scores) if settings.by_level else 1.0) for row in best),
        keep_error=settings.keep_error,
        strength=Strength(usual if settings.strength is None else settings.strength),
        where=settings.where,
    )
    return made, None


def _reweighted(mode: str) -> Callable[[AlignmentScores, str, Settings], tuple[Intervention, TensorRef]]:
    def made(scores: AlignmentScores, sae: str, settings: Settings) -> tuple[Intervention, TensorRef]:
        each = Intervention(
            scores.home.hookpoint,
            "reweight_latents",
            sae=sae,
            scores=f"{sae}_scores",
            mode=mode,
            keep_error=settings.keep_error,
            strength=Strength(1.0 if settings.strength is None else settings.strength),
            where=settings.where,
        )
        values = scores.values(settings.by)
        if not values.any():
            end = " has a lower end above 0; take by='score'" if settings.by == "low" else " is above 0"
            raise InputError(f"no latent's score{end}, or more reference prompts")
        return each, TensorRef.of(torch.from_numpy(values).float())

    return made


MANIPULATIONS: Final[Mapping[str, Callable[..., tuple[Intervention, TensorRef | None]]]] = {
    "orig": _orig,
    "sae": _sae,
    "clamp": _clamp,
    "weight": _reweighted("weight"),
    "swap": _reweighted("swap"),
}
"""The five of arXiv 2506.12576."""
LEGACY: Final = {"legacy_weight": _reweighted("legacy_weight")}
"""Weight as the published code computes it, with layer normalisation by the scores' own figures."""


def _best(scores: AlignmentScores, settings: Settings) -> tuple[AlignedLatent, ...]:
    count = settings.count
    best = scores.top(count, settings.by) if count >= 1 else ()
    if len(best) < max(1, count):
        supported = len(scores.rows) - len(scores.unsupported)
        raise InputError(f"clamp raises 1 to {supported} latents, those with support, got count {count}")
    return best


def _level(row: AlignedLatent, scores: AlignmentScores) -> float:
    if row.level is None:
        raise InputError(
            f"latent {row.latent} is silent on the texts of {scores.topic!r}, so it has no level there; "
            "leave by_level out, or take contrasted scores"
        )
    return row.level


def _refuse_error(mode: str, settings: Settings) -> None:
    if settings.keep_error:
        raise InputError(f"{mode} with the error kept changes nothing; leave keep_error out")
