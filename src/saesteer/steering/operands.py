"""The tensors of a spec on a model: in float32 on its device, of the shapes that their op needs.

Knows models, SAEs and specs; no rows and no hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import ShapeMismatch
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.steering.fields import bad
from saesteer.steering.held import at_field
from saesteer.steering.intervention import Intervention
from saesteer.steering.operations import OPERATIONS, reweight_latents, unit
from saesteer.steering.references import TensorRef
from saesteer.steering.shapes import SHAPES, TENSOR_FIELDS
from saesteer.steering.spec import SteeringSpec


def tensors_of(
    lm: LanguageModel,
    spec: SteeringSpec,
    each: Intervention,
    saes: Mapping[str, SAE],
    width: int,
    path: str,
) -> dict[str, Tensor]:
    """Field of the intervention -> its tensor. `width`: of what is edited, a head or the whole."""
    sizes = {"d": width, "d_sae": saes[each.sae].cfg.d_sae if each.sae else 0}
    found = {}
    for field in TENSOR_FIELDS:
        name = getattr(each, field)
        if name is not None:
            found[field] = _tensor(lm, spec.tensors[name], saes)
            _check_shape(lm, found[field], name, each, SHAPES[each.op][field], sizes, f"{path}.{field}")
    if OPERATIONS[each.op].needs == "direction":
        found["tensor"] = _directed(found["tensor"], str(each.tensor), f"{path}.tensor", bool(each.normalize))
    if each.scores is not None and each.sae is not None:
        sae = saes[each.sae]
        with at_field(f"{path}.scores"):  # tried on no token, so that it fails here or not at all
            nothing = sae.W_enc.new_empty(1, 0, sae.cfg.d_in)
            reweight_latents(nothing, sae, found["scores"], str(each.mode), 1.0, bool(each.keep_error))
    return found


def watched_direction(
    lm: LanguageModel, spec: SteeringSpec, name: str, at: str, saes: Mapping[str, SAE], path: str
) -> Float[Tensor, " d"]:
    """The tensor along which an activation is watched; `path`: of the field, for messages."""
    vector, width = _tensor(lm, spec.tensors[name], saes), lm.width(at)
    if len(vector) != width:
        raise ShapeMismatch(
            f"{path}: {name!r} is {len(vector)} wide but {at} of {lm.name} is {width} wide; "
            "check the hookpoint and the model"
        )
    return _directed(vector, name, path, normalize=False)


def meaning(spec: SteeringSpec, name: str | None, saes: Mapping[str, SAE]) -> tuple[Any, ...]:
    """Equal for the same tensor, whatever it is called."""
    if name is None:
        return ()
    tensor = spec.tensors[name]
    return (tensor.sha256, tensor.latents, id(saes[tensor.sae]) if tensor.sae else None)


def _tensor(lm: LanguageModel, tensor: TensorRef, saes: Mapping[str, SAE]) -> Tensor:
    if tensor.latents is None:
        assert tensor.value is not None
        return tensor.value.to(lm.device).float()
    rows = torch.tensor([latent for latent, _ in tensor.latents], device=lm.device)
    weights = torch.tensor([weight for _, weight in tensor.latents], device=lm.device)
    return weights @ saes[str(tensor.sae)].W_dec[rows].detach().float()


def _check_shape(
    lm: LanguageModel,
    value: Tensor,
    name: str,
    each: Intervention,
    axes: tuple[str, ...],
    sizes: Mapping[str, int],
    path: str,
) -> None:
    """The axes that the model or the SAE says; how they go with each other the spec has checked."""
    place = lm.hookpoint(each.hookpoint) + ("" if each.head is None else f", head {each.head},")
    for axis, size in zip(axes, value.shape, strict=True):
        wanted = sizes.get(axis, size)
        if size != wanted and axis == "d_sae":
            raise ShapeMismatch(f"{path}: {name!r} holds {size} numbers but the SAE has {wanted} latents")
        if size != wanted:
            raise ShapeMismatch(
                f"{path}: {name!r} is {size} wide but {place} of {lm.name} is {wanted} wide; "
                "check the hookpoint and the model"
            )


def _directed(vector: Tensor, name: str, path: str, normalize: bool) -> Float[Tensor, " d"]:
    if not bool(vector.any()):
        raise bad(path, f"must have a direction, but {name!r} is zero in float32")
    return unit(vector) if normalize else vector
