"""Whether an SAE belongs to a model. Knows the model by its width and names only."""

from __future__ import annotations

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes.sae import SAE


def check_fits(
    sae: SAE, width: int, model_name: str = "", hookpoint: str = "", fingerprint: str | None = None
) -> None:
    """Refuse an SAE of another width, or one that notes the fingerprint of another model.

    `width`: of the model at `hookpoint`; `fingerprint`: the model's. Names decide nothing, since a model has
    many (a path, an id), but stand in the message.
    """
    if sae.cfg.d_in != width:
        raise ShapeMismatch(
            f"SAE d_in is {sae.cfg.d_in} ({_home(sae)}) but {hookpoint or 'the hookpoint'} of "
            f"{model_name or 'this model'} gives {width}; check the SAE and the hookpoint"
        )
    noted = sae.cfg.metadata.get("model_fingerprint")
    if fingerprint is not None and noted is not None and noted != fingerprint:
        raise InputError(
            f"the SAE ({_home(sae)}) was trained on the model {str(noted)[:12]} "
            f"but {model_name or 'this model'} is {fingerprint[:12]}; load the SAE of this model"
        )


def _home(sae: SAE) -> str:
    hook_name, model_name = sae.cfg.hook_name, sae.cfg.model_name
    return f"trained at {hook_name or 'an unknown hookpoint'} of {model_name or 'an unknown model'}"
