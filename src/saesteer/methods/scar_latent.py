"""A SCAR SAE's own latent for a concept, scaled where it is active.

Sparse conditioned autoencoders (arXiv 2411.07122, section 3). Knows which latents were conditioned, no
ranking.
"""

from __future__ import annotations

from typing import Any, Final

from saesteer.concepts.choosing import conditioned_concepts, conditioned_latent
from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.methods.direction import provenance_of
from saesteer.methods.latent_spec import checked_latents, latents_spec
from saesteer.model import LanguageModel
from saesteer.saes import SAE, check_one_space
from saesteer.steering import SteeringSpec
from saesteer.text import load_concept
from saesteer.text.concept import Concept

ALPHA: Final = 5.0


def scar_latent(
    lm: LanguageModel,
    concept: Concept | str,
    sae: SAE,
    at: str | None = None,
    latent: int | None = None,
    *,
    alpha: float = ALPHA,
    keep_error: bool = True,
    source: str | None = None,
) -> SteeringSpec:
    """A spec that makes the conditioned latent `alpha` times what it is, wherever it is active.

    1 changes nothing, 0 takes the latent out, a negative number turns it round (against the concept: -5 ends
    the world's insults). A latent that is silent stays so: scaling cannot bring a concept about where there
    is none. `keep_error` off: the activation is replaced by the reconstruction, as in the paper, which costs
    something at alpha 1 too. `latent`: one that was conditioned without saying so. The strength of the spec
    is alpha (of alpha 0 it is 1, since strength 0 is off). `source`: where the SAE was loaded from; without
    it hand the SAE over: steer(lm, spec, saes={"s": sae}).
    """
    check_one_space(sae)
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    found = _conditioned(sae, concept) if latent is None else _named(sae, latent)
    about = {"latents": [[found, 1.0]], "alpha": alpha, "sae_sha256": sae.fingerprint()}
    return latents_spec(
        lm,
        sae,
        at,
        "scale_latents",
        [(found, 1.0 if alpha else 0.0)],
        provenance_of("scar_latent", concept, at) | about,
        keep_error=keep_error,
        strength=alpha or 1.0,
        source=source,
    )


def _named(sae: SAE, latent: Any) -> int:
    found = checked_latents(sae, latent)
    if len(found) > 1 or found[0][1] != 1:
        raise InputError(
            f"scar_latent scales one latent, by alpha, got {latent!r}; give one number, and alpha its factor"
        )
    return found[0][0]


def _conditioned(sae: SAE, concept: Concept) -> int:
    found = conditioned_latent(sae, concept)
    if found is None:
        known = ", ".join(conditioned_concepts(sae)) or "no concept"
        raise InputError(
            f"the SAE was conditioned on {known}, not on {concept.name!r}; "
            "take such a concept, name the latent, or use the method sae_decoder"
        )
    return found
