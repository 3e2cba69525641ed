"""Whether an SAE belongs to a model. Knows the model by its width and names only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from saesteer.errors import InputError, MissingHookpoint, ShapeMismatch
from saesteer.saes.sae import SAE

Use = Literal["edit", "read", "write"]


def check_fits(
    sae: SAE,
    width: int,
    model_name: str = "",
    hookpoint: str = "",
    fingerprint: str | None = None,
    canonical: Callable[[str], str] | None = None,
    use: Use = "edit",
) -> None:
    """Refuse an SAE of another width, of another hookpoint, or that notes the fingerprint of another model.

    `use`: "read" its latents from the activation, "write" its decoder rows into it, or "edit" the activation
    through both, which a transcoder cannot, since it reads and writes at two hookpoints.

    `width`: of the model at `hookpoint`; `fingerprint`: the model's. Its names decide nothing, since a model
    has many (a path, an id), but stand in the message. `canonical`: the model's spelling of a hookpoint or
    MissingHookpoint, as `lm.hookpoint`; without it, and where the SAE names no hookpoint of the model, the
    hookpoint is not checked. Raises ShapeMismatch for the width, else InputError.
    """
    if use == "edit":
        check_one_space(sae)
    own = sae.cfg.width_out if use == "write" else sae.cfg.d_in
    if own != width:
        side = "d_out" if use == "write" and sae.cfg.transcodes else "d_in"
        raise ShapeMismatch(
            f"SAE {side} is {own} ({_home(sae)}) but {hookpoint or 'the hookpoint'} of "
            f"{model_name or 'this model'} gives {width}; check the SAE and the hookpoint"
        )
    noted = sae.cfg.metadata.get("model_fingerprint")
    if fingerprint is not None and noted is not None and noted != fingerprint:
        raise InputError(
            f"the SAE ({_home(sae)}) was trained on the model {str(noted)[:12]} "
            f"but {model_name or 'this model'} is {fingerprint[:12]}; load the SAE of this model"
        )
    home = _home_in(sae, canonical, use)
    if home is not None and _stream(home) != _stream(hookpoint):
        raise InputError(
            f"the SAE was trained at {home} but is used at {hookpoint}, where its latents are not known; "
            f"use it at {home}, or load the SAE of {hookpoint}"
        )


def check_one_space(sae: SAE) -> None:
    """Refuse a transcoder where x and its reconstruction must be the same activation."""
    if sae.cfg.transcodes:
        here, out = sae.cfg.hook_name or "one hookpoint", sae.cfg.hook_name_out or "another"
        raise InputError(
            f"this is a {sae.cfg.architecture}: it reads {here} and says what {out} is, so its latents "
            f"cannot be edited in place; add its directions at {out}, or take an SAE"
        )


def _home_in(sae: SAE, canonical: Callable[[str], str] | None, use: Use) -> str | None:
    """Where the SAE was trained, as this model spells it; None where it does not say or means another."""
    name = sae.cfg.hook_name_out if use == "write" and sae.cfg.transcodes else sae.cfg.hook_name
    if canonical is None or not name:
        return None
    try:
        return canonical(name)
    except MissingHookpoint:
        return None


def _stream(hookpoint: str) -> str:
    """The hookpoint, with one name for what leaves a block and what enters the next, which is the same."""
    match = re.fullmatch(r"layers\.([1-9]\d*)\.in", hookpoint)
    return f"layers.{int(match[1]) - 1}" if match else hookpoint


def _home(sae: SAE) -> str:
    hook_name, model_name = sae.cfg.hook_name, sae.cfg.model_name
    return f"trained at {hook_name or 'an unknown hookpoint'} of {model_name or 'an unknown model'}"
