"""What a search tries: latents of an SAE with a sign and an op, each at strengths of equal distance.

Latents come from rankings that disagree: what tells whole texts, what tells tokens, what writes the concept's
words, and what is active where the concept is not, which is then steered away from. Knows SAEs; no judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

import numpy as np

from saesteer.calibration.openings import LEVELS as OPENING_LEVELS
from saesteer.calibration.openings import opening_specs
from saesteer.calibration.units import raw_guess
from saesteer.concepts import output_effect, rank_latents
from saesteer.errors import InputError, UnknownName
from saesteer.evaluation import divergences
from saesteer.latents import hookpoint_of
from saesteer.methods import sae_decoder
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.steering import Intervention, SAERef, SteeringSpec, Strength
from saesteer.text.concept import Concept

OPS: Final = ("add", "set_latents")
LEVELS: Final = (0.01, 0.025, 0.06, 0.15)
"""Nats of KL(steered || plain) per token: where candidates are tried."""
_NET: Final = tuple(2.0**each for each in range(-5, 4))
_TEXTS: Final = 2  # that strengths are found on


@dataclass(frozen=True, eq=False)
class Candidate:
    """One thing to try, at one strength."""

    name: str
    spec: SteeringSpec
    strength: float
    """In the spec's unit."""
    kl: float
    """The distance that its strength stands for."""


def candidates(
    lm: LanguageModel,
    concept: Concept,
    sae: SAE | None,
    count: int,
    *,
    at: str | None = None,
    ops: Sequence[str] = ("add",),
    specs: Mapping[str, SteeringSpec] | None = None,
    source: str | None = None,
    levels: Sequence[float] = LEVELS,
    openings: bool = False,
) -> list[Candidate]:
    """At most `count`: openings, given specs, latents by turns of the rankings, at every level they reach.

    `openings`: directions at the first places of the prompt, at levels of their own (openings.py). `source`:
    the name that the SAE was loaded from, which the specs then refer to as "s"; without it the vectors
    themselves are in the specs, and set_latents needs saes={"s": sae}.
    """
    texts = concept.negative[:_TEXTS]
    first = _at_levels(lm, opening_specs(lm, concept, at), texts, OPENING_LEVELS, {}) if openings else []
    left = max(1, count - len(levels) * len(specs or {}))  # given specs have their room
    if len(first) > left:
        first = [first[number * len(first) // left] for number in range(left)]
    ours = {} if sae is None else {"s": SAERef(source, sae.fingerprint())}
    found = {name: each.apart(ours) for name, each in (specs or {}).items()}
    room = max(0, (count - len(first)) // len(levels) - len(found))
    if sae is not None and room:
        made = _latent_specs(lm, concept, sae, at, ops, room, source)
        found |= {name: each for name, each in made.items() if name not in found}
    if not found and not first:
        raise InputError("there is nothing to try; give an SAE, specs, or a larger count")
    saes = {} if sae is None else {"s": sae}
    rest = _at_levels(lm, found, texts, levels, saes) if found else []
    return [*first, *rest][:count]


def latents_by_turns(lm: LanguageModel, concept: Concept, sae: SAE, at: str, n: int) -> list[tuple[int, int]]:
    """Latents with the sign of their use, `n` of them."""
    by_text = rank_latents(lm, sae, concept, at=at, level="text", evidence=0).rows
    by_token = rank_latents(lm, sae, concept, at=at, level="token", evidence=0).rows
    readers = [row.latent for row in by_text if row.mean_difference > 0]
    columns = [readers, [row.latent for row in by_token if row.mean_difference > 0]]
    if sae.W_dec.shape[1] == lm.hf.get_output_embeddings().weight.shape[1]:
        effect = output_effect(lm, sae, concept)
        columns.append(sorted(readers, key=lambda latent: -float(effect[latent])))
    away = [row.latent for row in reversed(by_text) if row.mean_difference < 0]
    signed = [[(latent, 1) for latent in column] for column in columns] + [[(latent, -1) for latent in away]]
    turns = [each for row in zip_longest(*signed) for each in row if each is not None]
    return list(dict.fromkeys(turns))[:n]


def _latent_specs(
    lm: LanguageModel,
    concept: Concept,
    sae: SAE,
    at: str | None,
    ops: Sequence[str],
    room: int,
    source: str | None,
) -> dict[str, SteeringSpec]:
    for op in ops:
        if op not in OPS:
            raise UnknownName.of("op of a search", op, OPS)
    at = hookpoint_of(lm, sae, at)
    found: dict[str, SteeringSpec] = {}
    for latent, sign in latents_by_turns(lm, concept, sae, at, room):
        for op in ops:
            if op == "set_latents" and sign < 0:
                continue  # to set a latent to less than nothing is no candidate
            name = f"{op} {'+' if sign > 0 else '-'}{latent}"
            found[name] = _spec(lm, concept, sae, at, op, latent, sign, source)
    return dict(list(found.items())[:room])


def _spec(
    lm: LanguageModel,
    concept: Concept,
    sae: SAE,
    at: str,
    op: str,
    latent: int,
    sign: int,
    source: str | None,
) -> SteeringSpec:
    spec = sae_decoder(lm, concept, sae, at=at, latent=latent, source=source, strength=float(sign))
    if op == "add":
        return spec
    each = Intervention(at, op, sae="s", latents=((latent, 1.0),), strength=Strength(1.0))
    return replace(spec, interventions=(each,), tensors={}, saes={"s": SAERef(source, sae.fingerprint())})


def _at_levels(
    lm: LanguageModel,
    specs: Mapping[str, SteeringSpec],
    texts: Sequence[str],
    levels: Sequence[float],
    saes: Mapping[str, SAE],
) -> list[Candidate]:
    """Each spec where its KL reaches each level, read off a net of octaves, if it ever does."""
    names = list(specs)
    nets = [[_scale(lm, specs[name], texts) * each for each in _NET] for name in names]
    measured = divergences(
        lm,
        [specs[name] for name in names for _ in _NET],
        [strength for net in nets for strength in net],
        texts,
        saes=saes,
        max_length=64,
    )
    found: list[Candidate] = []
    for number, name in enumerate(names):
        part = measured[number * len(_NET) : (number + 1) * len(_NET)]
        kls = np.maximum.accumulate([max(each.kl, 1e-12) for each in part])
        for level in levels:
            if kls[0] < level <= kls[-1] < np.inf:
                place = float(np.interp(np.log(level), np.log(kls), np.log(np.abs(nets[number]))))
                strength = float(np.sign(nets[number][0]) * np.exp(place))
                found.append(Candidate(name, specs[name], strength, level))
    return sorted(found, key=lambda each: (names.index(each.name), each.kl))


def _scale(lm: LanguageModel, spec: SteeringSpec, texts: Sequence[str]) -> float:
    """About the largest strength that leaves anything of the model, with the sign of the spec's own."""
    strength = spec.interventions[0].strength
    scale = raw_guess(lm, spec, texts) if strength.unit == "raw" else 1.0
    return -scale if strength.value < 0 else scale
