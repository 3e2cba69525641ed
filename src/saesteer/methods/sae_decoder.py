"""Latents of an SAE that stand for a concept: their decoder rows added, or the latents themselves set.

Knows SAEs and the choosers of latents. The plain SAE baseline of AxBench (arXiv 2501.17148); clamping as in
Templeton et al. 2024; which latent is taken matters most (arXiv 2505.20063).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from saesteer.concepts.choosers import CHOOSERS
from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.methods.direction import provenance_of, texts_of
from saesteer.methods.latent_spec import Unit, checked_latents, decoder_spec, latents_spec
from saesteer.model import LanguageModel
from saesteer.saes import SAE, check_one_space
from saesteer.steering import SteeringSpec
from saesteer.text import load_concept
from saesteer.text.concept import Concept

Op = Literal["add", "add_latents", "set_latents"]
Latents = int | Sequence[int] | Sequence[tuple[int, float]] | Mapping[int, float]


def sae_decoder(
    lm: LanguageModel,
    concept: Concept | str,
    sae: SAE,
    at: str | None = None,
    latent: Latents | None = None,
    *,
    choose: str = "contrast",
    top: int = 1,
    rank: int = 1,
    op: Op = "add",
    unit: Unit = "latent_max",
    strength: float | None = None,
    source: str | None = None,
) -> SteeringSpec:
    """A spec that steers with the concept's best latents, or with `latent`: one, several, or with weights.

    `choose`: a name of CHOOSERS, by what latents are ranked. `top`: so many of them, each weighted as the
    chooser says (contrast: how much more active it is on the positive texts); `rank`: from this one on, where
    the first is not wanted or several are tried one by one. `op`: add, the decoder rows,
    their sum in mean residual norms (strength 0.3 by default); add_latents, to each latent its weight in
    `unit`; set_latents, each latent becomes that, also where it was silent ("clamping"). latent_max: times
    the latent's largest activation on the concept's texts, the largest of several weights counting as 1; raw:
    as it stands. `at`: where the SAE reads, if not where it says it was trained. `source`: the name or folder
    that the SAE was loaded from, which the spec then refers to; without it an added direction is held by the
    spec itself, and for the other ops the SAE is handed over: steer(lm, spec, saes={"s": sae}). A transcoder
    is refused: it reads and writes at two hookpoints.
    """
    check_one_space(sae)
    if op not in get_args(Op):
        raise InputError(f"op is one of {', '.join(get_args(Op))}, got {op!r}")
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    weights, about = chosen_weights(lm, sae, concept, at, latent, choose, top, rank)
    provenance = provenance_of("sae_decoder", concept, at) | about | {"sae_sha256": sae.fingerprint()}
    texts = texts_of(concept)
    if op == "add":
        return decoder_spec(lm, sae, at, weights, provenance, strength=strength, source=source, texts=texts)
    if unit == "latent_max" and latent is None:
        largest = max(abs(weight) for _, weight in weights)
        weights = [(each, weight / largest) for each, weight in weights]
    return latents_spec(
        lm, sae, at, op, weights, provenance, unit=unit, strength=strength, source=source, texts=texts
    )


def chosen_weights(
    lm: LanguageModel,
    sae: SAE,
    concept: Concept,
    at: str,
    latent: Latents | None,
    choose: str,
    top: int,
    rank: int = 1,
) -> tuple[list[tuple[int, float]], dict[str, Any]]:
    """Latents with weights, and what is noted of them."""
    if latent is not None:
        weights = checked_latents(sae, latent)
        return weights, {"latents": [[i, w] for i, w in weights], "chosen_by": "hand"}
    if top < 1:
        raise InputError(f"top is a number of latents, at least 1, got {top}")
    if rank < 1:
        raise InputError(f"rank counts from 1, the chooser's first latent, got {rank}")
    found = CHOOSERS.get(choose)(lm, sae, concept, at, rank + top - 1)
    rows = found.rows[rank - 1 : rank + top - 1]
    if not rows:
        raise InputError(
            f"{choose} finds {len(found.rows)} latents for {concept.name!r}, so none of rank {rank}"
        )
    weights = [(rows[0].latent, 1.0)] if len(rows) == 1 else [(row.latent, row.weight) for row in rows]
    evidence = [dict(row.figures) for row in rows]
    return weights, {"latents": [[i, w] for i, w in weights], "chosen_by": choose, "evidence": evidence}
