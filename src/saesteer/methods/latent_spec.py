"""What chosen latents become: their decoder rows added, or the latents themselves set or added to.

Knows SAEs and specs; not how latents are chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import torch

from saesteer.errors import InputError
from saesteer.methods.direction import direction_spec, model_ref
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.steering import (
    Intervention,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    resolve_strength,
)

Op = Literal["add", "add_latents", "set_latents", "scale_latents"]
Unit = Literal["latent_max", "raw"]
Weights = Sequence[tuple[int, float]]
NAME: Final = "s"
"""What a spec calls the SAE."""


def decoder_spec(
    lm: LanguageModel,
    sae: SAE,
    at: str,
    weights: Weights,
    provenance: Mapping[str, Any],
    *,
    strength: float | None = None,
    source: str | None = None,
    texts: Sequence[str] | None = None,
) -> SteeringSpec:
    """Add the weighted sum of decoder rows, in mean residual norms; without a source the spec holds it."""
    if source is not None:
        tensor = TensorRef(sae=NAME, latents=tuple(weights))
        saes = {NAME: SAERef(source, sae.fingerprint())}
        return direction_spec(lm, at, tensor, provenance, strength=strength, saes=saes, texts=texts)
    rows = torch.stack([weight * sae.direction(latent).float() for latent, weight in weights])
    return direction_spec(lm, at, TensorRef.of(rows.sum(0)), provenance, strength=strength, texts=texts)


def latents_spec(
    lm: LanguageModel,
    sae: SAE,
    at: str,
    op: str,
    weights: Weights,
    provenance: Mapping[str, Any],
    *,
    unit: Unit = "raw",
    keep_error: bool = True,
    strength: float | None = None,
    source: str | None = None,
    texts: Sequence[str] | None = None,
) -> SteeringSpec:
    """Set, add to or scale latents, each by its number (in `unit`) times the strength (default 1).

    latent_max is measured on `texts`. Without a source the SAE is handed over when the spec is applied:
    steer(lm, spec, saes={"s": sae}).
    """
    if unit not in get_args(Unit):
        raise InputError(f"unit is one of {', '.join(get_args(Unit))}, got {unit!r}")
    each = Intervention(
        at,
        op,
        sae=NAME,
        latents=tuple(weights),
        unit=unit,
        keep_error=keep_error,
        strength=Strength(1.0 if strength is None else strength),
    )
    spec = SteeringSpec(
        (each,),
        saes={NAME: SAERef(source, sae.fingerprint())},
        model=model_ref(lm),
        provenance=provenance,
    )
    return resolve_strength(lm, spec, texts if unit == "latent_max" else None, {NAME: sae})


def checked_latents(sae: SAE, latents: Any) -> list[tuple[int, float]]:
    """Latents that somebody named: a number, several, or pairs (or a mapping) of numbers and weights.

    InputError for a number that there is not, one that stands twice, none, or a weight of 0.
    """
    if isinstance(latents, int):
        latents = [latents]
    pairs = latents.items() if isinstance(latents, Mapping) else latents
    found = [tuple(each) if isinstance(each, list | tuple) else (each, 1.0) for each in pairs]
    for each in found:
        latent = each[0] if each else None
        if isinstance(latent, bool) or not isinstance(latent, int) or not 0 <= latent < sae.cfg.d_sae:
            raise InputError(f"latents are 0 to {sae.cfg.d_sae - 1}, got {latent!r}; check the number")
        if len(each) != 2 or not _is_weight(each[1]):
            raise InputError(f"a latent has one weight that is not 0, a finite number, got {each!r}; mend it")
    if not found or len({each[0] for each in found}) < len(found):
        shown = [each[0] if each[1] == 1 else each for each in found]
        raise InputError(f"latent is one number or several different ones, got {shown}")
    return [(latent, float(weight)) for latent, weight in found]


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value != 0
